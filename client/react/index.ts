"use client";

export type { ConversationActions } from "../index.ts";
export { ChatProvider, type ChatProviderProps } from "./provider.tsx";
export { type ChatState, useChat, useChatActions, useChatSelector } from "./use-chat.ts";
export { useChatApi, useChatClient, useUserId } from "./use-client.ts";
export { type HistoryView, useHistory } from "./use-history.ts";
export {
  type ConversationsState,
  useConversations,
  useInboxSelector,
  useUnreadCount,
  useUserPresence,
} from "./use-inbox.ts";
export { type PresenceState, type UserPresence, usePresence } from "./use-presence.ts";
export { type TypingState, useTyping } from "./use-typing.ts";
export { useWebSocket, type WebSocketState } from "./use-web-socket.ts";
