import { z } from "zod";
import {
  conversation,
  emoji,
  message,
  messageBodyInput,
  messageId,
  participant,
  seq,
  tempId,
  timestamp,
  userSettings,
} from "./entities.ts";
import { LIMITS } from "./limits.ts";
import { checkBy } from "./validation.ts";

// Commands: what a client sends on a conversation's socket.

const ref = z.string().max(LIMITS.refLength).optional();

export const sendCommand = z.strictObject({
  type: z.literal("message.send"),
  temp_id: tempId,
  body: messageBodyInput,
  reply_to_id: messageId.nullish(),
  ref,
});
export const editCommand = z.strictObject({
  type: z.literal("message.edit"),
  id: messageId,
  body: messageBodyInput,
  ref,
});
export const deleteCommand = z.strictObject({ type: z.literal("message.delete"), id: messageId, ref });

export const addReactionCommand = z.strictObject({
  type: z.literal("reaction.add"),
  id: messageId,
  emoji,
  ref,
});
export const removeReactionCommand = z.strictObject({
  type: z.literal("reaction.remove"),
  id: messageId,
  emoji,
  ref,
});
/** Gives the session a new credential of the same user, before the old one ends. */
export const refreshCommand = z.strictObject({
  type: z.literal("auth.refresh"),
  token: z.string().min(1).max(LIMITS.tokenLength),
  ref,
});

/** Says how far the user has read. Answered with one's own `read.updated`, once that is durable. */
export const readCommand = z.strictObject({
  type: z.literal("read.update"),
  last_read_id: z.int().min(0),
  ref,
});
/** Says that the user is typing, or no longer is. Never stored, never answered. */
export const typingCommand = z.strictObject({ type: z.literal("typing"), typing: z.boolean(), ref });

/** Any command a conversation's socket accepts. */
export const command = z.discriminatedUnion("type", [
  sendCommand,
  editCommand,
  deleteCommand,
  addReactionCommand,
  removeReactionCommand,
  readCommand,
  typingCommand,
  refreshCommand,
]);
export type Command = z.infer<typeof command>;
export const checkCommand = checkBy<Command>(command);
export type SendCommand = z.infer<typeof sendCommand>;
export type EditCommand = z.infer<typeof editCommand>;
export type DeleteCommand = z.infer<typeof deleteCommand>;
export type AddReactionCommand = z.infer<typeof addReactionCommand>;
export type RemoveReactionCommand = z.infer<typeof removeReactionCommand>;
export type ReadCommand = z.infer<typeof readCommand>;
export type TypingCommand = z.infer<typeof typingCommand>;
export type RefreshCommand = z.infer<typeof refreshCommand>;
export const COMMAND_TYPES = command.options.map((option) => option.shape.type.value);

// Events: what the server sends.

/** The parts of a conversation that are the same for every participant. */
export const conversationHead = conversation.pick({
  id: true,
  title: true,
  updated_at: true,
  participant_count: true,
  history_visibility: true,
});

export const messageCreated = z.object({
  type: z.literal("message.created"),
  seq,
  message,
  /** Present on the answer to a repeated `temp_id`: not a new change, sent to that one socket. */
  duplicate: z.literal(true).optional(),
});
export const messageUpdated = z.object({ type: z.literal("message.updated"), seq, message });
export const messageDeleted = z.object({
  type: z.literal("message.deleted"),
  seq,
  message,
  /** Present on the answer to a repeated delete: not a new change, sent to that one socket. */
  duplicate: z.literal(true).optional(),
});
/** One user gave a message one emoji, or took it back. */
export const reactionUpdated = z.object({
  type: z.literal("reaction.updated"),
  seq,
  message_id: messageId,
  emoji: z.string(),
  user_id: z.string(),
  added: z.boolean(),
  /** How many users give it this emoji now. */
  count: z.int().min(0),
  /** Present on the answer to a repeat: not a new change, sent to that one socket. */
  duplicate: z.literal(true).optional(),
});
export const conversationUpdated = z.object({
  type: z.literal("conversation.updated"),
  seq,
  conversation: conversationHead,
});
export const conversationDeleted = z.object({ type: z.literal("conversation.deleted"), seq });
export const participantAdded = z.object({
  type: z.literal("conversation.participant_added"),
  seq,
  participant,
});
export const participantUpdated = z.object({
  type: z.literal("conversation.participant_updated"),
  seq,
  participant,
});
export const participantRemoved = z.object({
  type: z.literal("conversation.participant_removed"),
  seq,
  user_id: z.string(),
});

/** A durable change. Each carries the `seq` it was given; live ones are contiguous. */
export const durableEvent = z.discriminatedUnion("type", [
  messageCreated,
  messageUpdated,
  messageDeleted,
  reactionUpdated,
  conversationUpdated,
  conversationDeleted,
  participantAdded,
  participantUpdated,
  participantRemoved,
]);
export type DurableEvent = z.infer<typeof durableEvent>;

export const ready = z.object({
  type: z.literal("ready"),
  protocol: z.literal(1),
  user_id: z.string(),
  epoch: z.string(),
  seq,
  last_message_id: z.int().min(0),
  conversation,
  participants: z.array(participant),
  resume: z.enum(["complete", "reset"]),
  /** When the credential of this socket ends; null if it does not. */
  expires_at: timestamp.nullable(),
  /** With `resume: "reset"`: the latest page, ids ascending. */
  messages: z.array(message).optional(),
  /** With `resume: "reset"`: whether older messages exist. */
  has_more: z.boolean().optional(),
});
export type Ready = z.infer<typeof ready>;

export const synced = z.object({ type: z.literal("synced"), seq });

const errorDetail = z.object({ path: z.string(), message: z.string() });
export const errorEvent = z.object({
  type: z.literal("error"),
  ref: z.string().optional(),
  temp_id: z.string().optional(),
  error: z.object({
    code: z.string(),
    message: z.string(),
    retryable: z.boolean(),
    retry_after_ms: z.int().optional(),
    details: z.array(errorDetail).optional(),
    request_id: z.string(),
  }),
});
export type ErrorEvent = z.infer<typeof errorEvent>;

/** The credential ends soon: `auth.refresh` with a new one keeps the socket. */
export const authExpiring = z.object({ type: z.literal("auth.expiring"), expires_at: timestamp });
/** `auth.refresh` was accepted. */
export const authRefreshed = z.object({
  type: z.literal("auth.refreshed"),
  ref: z.string().optional(),
  /** When the new credential ends; null if it does not. */
  expires_at: timestamp.nullable(),
});

/** How far a user has read. To others it is told unless that user keeps it to themselves. */
export const readUpdated = z.object({
  type: z.literal("read.updated"),
  conversation_id: z.string(),
  user_id: z.string(),
  last_read_id: z.int().min(0),
});
/** Somebody else is typing, or no longer is. It ends by itself after {@link TYPING_EXPIRES_MS}. */
export const userTyping = z.object({
  type: z.literal("user.typing"),
  user_id: z.string(),
  typing: z.boolean(),
});
/** Somebody came or went. */
export const presenceUpdated = z.object({
  type: z.literal("presence.updated"),
  user_id: z.string(),
  online: z.boolean(),
  last_seen_at: timestamp.nullable(),
});
/** What is told and not kept: it has no `seq`, and a new connection learns the state from `ready`. */
export const liveEvent = z.discriminatedUnion("type", [readUpdated, userTyping, presenceUpdated]);
export type LiveEvent = z.infer<typeof liveEvent>;
export type PresenceUpdated = z.infer<typeof presenceUpdated>;

/** Milliseconds after which `typing: true` that was not said again is over. It is said again every half of them. */
export const TYPING_EXPIRES_MS = 6_000;

/** Anything the server sends on a conversation's socket. A frame holds one of these or an array of them. */
export const serverEvent = z.union([
  ready,
  synced,
  authExpiring,
  authRefreshed,
  errorEvent,
  liveEvent,
  durableEvent,
]);
export type ServerEvent = z.infer<typeof serverEvent>;

// The inbox: a user's own feed.

/** All that a client may say on an inbox's socket. */
export const checkInboxCommand = checkBy<RefreshCommand>(refreshCommand);

const unreadCount = z.object({
  id: z.string(),
  unread_count: z.int().min(0),
  last_read_id: z.int().min(0),
  last_message_id: z.int().min(0),
});

/** The first event of an inbox: the state from which the others go on. */
export const inboxReady = z.object({
  type: z.literal("ready"),
  protocol: z.literal(1),
  user_id: z.string(),
  /** Newest activity first: a page, of which the rest is to be had by `GET /api/conversations`. */
  conversations: z.array(conversation),
  has_more: z.boolean(),
  next_cursor: z.string().optional(),
  /** Of all conversations. */
  unread: z.object({ total: z.int().min(0), conversations: z.array(unreadCount) }),
  settings: userSettings,
  /** When the credential of this socket ends; null if it does not. */
  expires_at: timestamp.nullable(),
});
export type InboxReady = z.infer<typeof inboxReady>;
/** Every conversation was asked for what Postgres may not have had yet: the list is exact from here on. */
export const inboxSynced = z.object({ type: z.literal("synced") });
/** A conversation that the user now takes part in. */
export const conversationAdded = z.object({ type: z.literal("conversation.added"), conversation });
/** The newest state of a conversation: title, last message, unread. */
export const inboxConversationUpdated = z.object({ type: z.literal("conversation.updated"), conversation });
/** A conversation that was deleted, or that the user takes part in no more. */
export const conversationRemoved = z.object({
  type: z.literal("conversation.removed"),
  conversation_id: z.string(),
});
/** Unread messages of all conversations. */
export const unreadUpdated = z.object({ type: z.literal("unread.updated"), total: z.int().min(0) });
/** The user changed a setting, here or elsewhere. */
export const settingsUpdated = z.object({ type: z.literal("settings.updated"), settings: userSettings });

/** Anything the server sends on an inbox's socket. A frame holds one of these or an array of them. */
export const inboxEvent = z.discriminatedUnion("type", [
  inboxReady,
  inboxSynced,
  conversationAdded,
  inboxConversationUpdated,
  conversationRemoved,
  unreadUpdated,
  readUpdated,
  presenceUpdated,
  settingsUpdated,
  authExpiring,
  authRefreshed,
  errorEvent,
]);
export type InboxEvent = z.infer<typeof inboxEvent>;
