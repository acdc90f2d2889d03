export type {
  Attachment,
  Conversation,
  ConversationMe,
  ConversationType,
  HistoryVisibility,
  Json,
  Message,
  MessageBody,
  MessageBodyInput,
  Participant,
  Profile,
  Reaction,
  Role,
  UserSettings,
} from "../protocol/entities.ts";
export type { ErrorCode, ErrorDetail } from "../protocol/errors.ts";
export type {
  AuthExpiring,
  AuthRefreshed,
  ConversationAdded,
  ConversationDeleted,
  ConversationRemoved,
  ConversationUpdated,
  DurableEvent,
  ErrorEvent,
  InboxConversationUpdated,
  InboxEvent,
  InboxReady,
  InboxSynced,
  LiveEvent,
  MessageCreated,
  MessageDeleted,
  MessageUpdated,
  ParticipantAdded,
  ParticipantRemoved,
  ParticipantUpdated,
  PresenceUpdated,
  ReactionUpdated,
  ReadUpdated,
  Ready,
  ServerEvent,
  SettingsUpdated,
  Synced,
  UnreadUpdated,
  UserTyping,
} from "../protocol/frames.ts";
export type { CreateConversation, LocationHint, SearchHit, UpdateSettings } from "../protocol/rest.ts";
export { actionsOf, type ConversationActions } from "./actions.ts";
export { ChatApi, type ReadState, type UnreadCount } from "./api.ts";
export type { Backoff } from "./backoff.ts";
export { ChatClient } from "./chat-client.ts";
export type { StopReason } from "./connection.ts";
export type { ConversationHandle, SendOptions } from "./conversation-handle.ts";
export type { ChatClientOptions, Heartbeat } from "./environment.ts";
export {
  ChatError,
  type ChatErrorCode,
  type ChatErrorFields,
  ConflictError,
  ConversationNotFoundError,
  ForbiddenError,
  InternalError,
  MessageNotFoundError,
  MessageSendFailedError,
  NetworkError,
  NotFoundError,
  PayloadTooLargeError,
  RateLimitedError,
  ServiceUnavailableError,
  UnauthorizedError,
  ValidationFailedError,
} from "./errors.ts";
export type { ConnectInfo, DisconnectInfo, ErrorInfo, EventOf, InboxEventOf, Unsubscribe } from "./events.ts";
export type { Handle } from "./handle.ts";
export { History, type HistoryState } from "./history.ts";
export type { Presence } from "./inbox-list.ts";
export { indexedDbStorage } from "./indexeddb.ts";
export type { ConversationState } from "./live-conversation.ts";
export type { InboxHandle, InboxState } from "./live-inbox.ts";
export type { LinkState } from "./live-link.ts";
export type { NetworkListener } from "./network-changes.ts";
export type { MessageInput, PendingMessage } from "./outbox.ts";
export type { Pace } from "./pace.ts";
export type { Page, Request } from "./request.ts";
export type { Sending } from "./sender.ts";
export type { OpenSocket, Socket, SocketHandlers, WebSocketConstructor } from "./socket.ts";
export { type ChatStorage, memoryStorage, type StorageChange, type StorageSharing } from "./storage.ts";
export type { StorageState } from "./store.ts";
