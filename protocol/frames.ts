import { z } from "zod";
import {
  type Conversation,
  conversation,
  emoji,
  type Held,
  type Message,
  type MessageBodyInput,
  message,
  messageBodyInput,
  messageId,
  type Participant,
  participant,
  type Same,
  seq,
  tempId,
  timestamp,
  type UserSettings,
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
export const refreshCommand = z.strictObject({
  type: z.literal("auth.refresh"),
  token: z.string().min(1).max(LIMITS.tokenLength),
  ref,
});

export const readCommand = z.strictObject({
  type: z.literal("read.update"),
  last_read_id: z.int().min(0),
  ref,
});
export const typingCommand = z.strictObject({ type: z.literal("typing"), typing: z.boolean(), ref });

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

/** What every command may carry. */
interface CommandFields {
  /** At most 64 characters; what answers the command repeats them. */
  ref?: string;
}
/** Sends a message. Answered with its `message.created`, once it is durable. */
export interface SendCommand extends CommandFields {
  type: "message.send";
  /** The idempotency key, 1 to 64 characters: the same again is the same message. */
  temp_id: string;
  /** What the message says. */
  body: MessageBodyInput;
  /** The message of the same conversation that this one answers. */
  reply_to_id?: number | null;
}
/** Replaces the body of one's own message. */
export interface EditCommand extends CommandFields {
  type: "message.edit";
  /** The message's id. */
  id: number;
  /** What the message says from now on, as a whole. */
  body: MessageBodyInput;
}
/** Deletes one's own message; an admin's deletes anybody's. */
export interface DeleteCommand extends CommandFields {
  type: "message.delete";
  /** The message's id. */
  id: number;
}
/** Gives a message a reaction. */
export interface AddReactionCommand extends CommandFields {
  type: "reaction.add";
  /** The message's id. */
  id: number;
  /** One emoji, or a name such as `:party:`. */
  emoji: string;
}
/** Takes one's own reaction back. */
export interface RemoveReactionCommand extends CommandFields {
  type: "reaction.remove";
  /** The message's id. */
  id: number;
  /** One that the user gave. */
  emoji: string;
}
/** Says how far the user has read. Answered with one's own `read.updated`, once that is durable. */
export interface ReadCommand extends CommandFields {
  type: "read.update";
  /** The newest message that is read. Never moves back. */
  last_read_id: number;
}
/** Says that the user is typing, or no longer is. Never stored, never answered. */
export interface TypingCommand extends CommandFields {
  type: "typing";
  /** Said again at least every 3 seconds while it goes on. */
  typing: boolean;
}
/** Gives the session a new credential of the same user, before the old one ends. */
export interface RefreshCommand extends CommandFields {
  type: "auth.refresh";
  /** The new credential. */
  token: string;
}
/** Any command a conversation's socket accepts. */
export type Command =
  | SendCommand
  | EditCommand
  | DeleteCommand
  | AddReactionCommand
  | RemoveReactionCommand
  | ReadCommand
  | TypingCommand
  | RefreshCommand;
export const checkCommand = checkBy<Command>(command);
export const COMMAND_TYPES = command.options.map((option) => option.shape.type.value);

// Events: what the server sends.

export const conversationHead = conversation.pick({
  id: true,
  title: true,
  updated_at: true,
  participant_count: true,
  history_visibility: true,
});
/** The parts of a conversation that are the same for every participant. */
export type ConversationHead = Pick<
  Conversation,
  "id" | "title" | "updated_at" | "participant_count" | "history_visibility"
>;

export const messageCreated = z.object({
  type: z.literal("message.created"),
  seq,
  message,
  duplicate: z.literal(true).optional(),
});
export const messageUpdated = z.object({ type: z.literal("message.updated"), seq, message });
export const messageDeleted = z.object({
  type: z.literal("message.deleted"),
  seq,
  message,
  duplicate: z.literal(true).optional(),
});
export const reactionUpdated = z.object({
  type: z.literal("reaction.updated"),
  seq,
  message_id: messageId,
  emoji: z.string(),
  user_id: z.string(),
  added: z.boolean(),
  count: z.int().min(0),
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

/** What every durable change carries. */
interface Change {
  /** Its number among the changes of its conversation: live, each is one more than the last. */
  seq: number;
}
/** A message was sent. */
export interface MessageCreated extends Change {
  type: "message.created";
  /** The message as it is now. */
  message: Message;
  /** Present on the answer to a repeated `temp_id`: not a new change, sent to that one socket. */
  duplicate?: true;
}
/** A message was edited. */
export interface MessageUpdated extends Change {
  type: "message.updated";
  /** The message as it is now. */
  message: Message;
}
/** A message was deleted: its body is null. */
export interface MessageDeleted extends Change {
  type: "message.deleted";
  /** The message as it is now. */
  message: Message;
  /** Present on the answer to a repeated delete: not a new change, sent to that one socket. */
  duplicate?: true;
}
/** One user gave a message one emoji, or took it back. */
export interface ReactionUpdated extends Change {
  type: "reaction.updated";
  /** The message that it belongs to. */
  message_id: number;
  /** An emoji, or a name such as `:party:`. */
  emoji: string;
  /** Whose reaction it is. */
  user_id: string;
  /** False when it was taken back. */
  added: boolean;
  /** How many users give it this emoji now. */
  count: number;
  /** Present on the answer to a repeat: not a new change, sent to that one socket. */
  duplicate?: true;
}
/** The conversation has changed, or something in it that this user may not see. */
export interface ConversationUpdated extends Change {
  type: "conversation.updated";
  /** What holds now. */
  conversation: ConversationHead;
}
/** The conversation was deleted. Nothing follows. */
export interface ConversationDeleted extends Change {
  type: "conversation.deleted";
}
/** Somebody takes part now. */
export interface ParticipantAdded extends Change {
  type: "conversation.participant_added";
  /** Who it is. */
  participant: Participant;
}
/** Somebody's role or profile has changed. */
export interface ParticipantUpdated extends Change {
  type: "conversation.participant_updated";
  /** Who it is, as they are now. */
  participant: Participant;
}
/** Somebody takes part no more. */
export interface ParticipantRemoved extends Change {
  type: "conversation.participant_removed";
  /** Who it was. */
  user_id: string;
}
/** A durable change. Each carries the `seq` it was given; live ones are contiguous. */
export type DurableEvent =
  | MessageCreated
  | MessageUpdated
  | MessageDeleted
  | ReactionUpdated
  | ConversationUpdated
  | ConversationDeleted
  | ParticipantAdded
  | ParticipantUpdated
  | ParticipantRemoved;

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
  expires_at: timestamp.nullable(),
  messages: z.array(message).optional(),
  has_more: z.boolean().optional(),
});
/** The first event of a conversation's socket: the state from which the others go on. */
export interface Ready {
  type: "ready";
  /** Version of the wire protocol. */
  protocol: 1;
  /** Whose socket it is. */
  user_id: string;
  /** Names the storage that counts `seq`. With another one, nothing that was known before goes on. */
  epoch: string;
  /** The newest change. */
  seq: number;
  /** 0 before the first message. */
  last_message_id: number;
  /** As it is now. */
  conversation: Conversation;
  /** All who take part. */
  participants: Participant[];
  /** `complete`: what changed since the last connection follows. `reset`: everything begins anew, with `messages`. */
  resume: "complete" | "reset";
  /** When the credential of this socket ends, ISO 8601; null if it does not. */
  expires_at: string | null;
  /** With `resume: "reset"`: the latest page, ids ascending. */
  messages?: Message[];
  /** With `resume: "reset"`: whether older messages exist. */
  has_more?: boolean;
}

export const synced = z.object({ type: z.literal("synced"), seq });
/** Nothing is missing up to here; what follows is live. */
export interface Synced {
  type: "synced";
  /** The newest change. */
  seq: number;
}

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
/** A command was refused. The session goes on. */
export interface ErrorEvent {
  type: "error";
  /** Of the command, if it had one. */
  ref?: string;
  /** Of the command, if it had one. */
  temp_id?: string;
  /** What is wrong. */
  error: {
    /** Stable; the codes are those of REST. */
    code: string;
    /** For people. May change. */
    message: string;
    /** Whether the same command may succeed later, unchanged. */
    retryable: boolean;
    /** Milliseconds to wait before a retry, where the service knows. */
    retry_after_ms?: number;
    /** Each field that is wrong: its path, such as `body.text`, and what is wrong with it. */
    details?: { path: string; message: string }[];
    /** For the operator's logs. */
    request_id: string;
  };
}

export const authExpiring = z.object({ type: z.literal("auth.expiring"), expires_at: timestamp });
/** The credential ends soon: `auth.refresh` with a new one keeps the socket. */
export interface AuthExpiring {
  type: "auth.expiring";
  /** ISO 8601, UTC, milliseconds. */
  expires_at: string;
}
export const authRefreshed = z.object({
  type: z.literal("auth.refreshed"),
  ref: z.string().optional(),
  expires_at: timestamp.nullable(),
});
/** `auth.refresh` was accepted. */
export interface AuthRefreshed {
  type: "auth.refreshed";
  /** Of the command, if it had one. */
  ref?: string;
  /** When the new credential ends, ISO 8601; null if it does not. */
  expires_at: string | null;
}

export const readUpdated = z.object({
  type: z.literal("read.updated"),
  conversation_id: z.string(),
  user_id: z.string(),
  last_read_id: z.int().min(0),
});
/** How far a user has read. To others it is told unless that user keeps it to themselves. */
export interface ReadUpdated {
  type: "read.updated";
  /** Where. */
  conversation_id: string;
  /** Who; it may be the user. */
  user_id: string;
  /** The newest message they have read. */
  last_read_id: number;
}
export const userTyping = z.object({
  type: z.literal("user.typing"),
  user_id: z.string(),
  typing: z.boolean(),
});
/** Somebody else is typing, or no longer is. It ends by itself 6 seconds after it was said last. */
export interface UserTyping {
  type: "user.typing";
  /** Who. */
  user_id: string;
  /** False when they stopped. */
  typing: boolean;
}
export const presenceUpdated = z.object({
  type: z.literal("presence.updated"),
  user_id: z.string(),
  online: z.boolean(),
  last_seen_at: timestamp.nullable(),
});
/** Somebody came or went. */
export interface PresenceUpdated {
  type: "presence.updated";
  /** Who. */
  user_id: string;
  /** Whether they are there. */
  online: boolean;
  /** When they were last online, ISO 8601; null while they never were. */
  last_seen_at: string | null;
}
export const liveEvent = z.discriminatedUnion("type", [readUpdated, userTyping, presenceUpdated]);
/** What is told and not kept: it has no `seq`, and a new connection learns the state from `ready`. */
export type LiveEvent = ReadUpdated | UserTyping | PresenceUpdated;

/** Milliseconds after which `typing: true` that was not said again is over. It is said again every half of them. */
export const TYPING_EXPIRES_MS = 6_000;

export const serverEvent = z.union([
  ready,
  synced,
  authExpiring,
  authRefreshed,
  errorEvent,
  liveEvent,
  durableEvent,
]);
/** Anything the server sends on a conversation's socket. A frame holds one of these or an array of them. */
export type ServerEvent =
  | Ready
  | Synced
  | AuthExpiring
  | AuthRefreshed
  | ErrorEvent
  | LiveEvent
  | DurableEvent;

// The inbox: a user's own feed.

/** All that a client may say on an inbox's socket. */
export const checkInboxCommand = checkBy<RefreshCommand>(refreshCommand);

const unreadCount = z.object({
  id: z.string(),
  unread_count: z.int().min(0),
  last_read_id: z.int().min(0),
  last_message_id: z.int().min(0),
});

export const inboxReady = z.object({
  type: z.literal("ready"),
  protocol: z.literal(1),
  user_id: z.string(),
  conversations: z.array(conversation),
  has_more: z.boolean(),
  next_cursor: z.string().optional(),
  unread: z.object({ total: z.int().min(0), conversations: z.array(unreadCount) }),
  settings: userSettings,
  expires_at: timestamp.nullable(),
});
/** The first event of an inbox: the state from which the others go on. */
export interface InboxReady {
  type: "ready";
  /** Version of the wire protocol. */
  protocol: 1;
  /** Whose inbox it is. */
  user_id: string;
  /** Newest activity first: a page, of which the rest is to be had by `GET /api/conversations`. */
  conversations: Conversation[];
  /** Whether there are more. */
  has_more: boolean;
  /** For the `cursor` of the next page, if there is one. */
  next_cursor?: string;
  /** Of all conversations. */
  unread: {
    /** Unread messages of all together. */
    total: number;
    /** Of each. */
    conversations: { id: string; unread_count: number; last_read_id: number; last_message_id: number }[];
  };
  /** What the user decided for all their conversations. */
  settings: UserSettings;
  /** When the credential of this socket ends, ISO 8601; null if it does not. */
  expires_at: string | null;
}
export const inboxSynced = z.object({ type: z.literal("synced") });
/** Every conversation was asked for what Postgres may not have had yet: the list is exact from here on. */
export interface InboxSynced {
  type: "synced";
}
export const conversationAdded = z.object({ type: z.literal("conversation.added"), conversation });
/** A conversation that the user now takes part in. */
export interface ConversationAdded {
  type: "conversation.added";
  /** As it is now. */
  conversation: Conversation;
}
export const inboxConversationUpdated = z.object({ type: z.literal("conversation.updated"), conversation });
/** The newest state of a conversation: title, last message, unread. */
export interface InboxConversationUpdated {
  type: "conversation.updated";
  /** As it is now. */
  conversation: Conversation;
}
export const conversationRemoved = z.object({
  type: z.literal("conversation.removed"),
  conversation_id: z.string(),
});
/** A conversation that was deleted, or that the user takes part in no more. */
export interface ConversationRemoved {
  type: "conversation.removed";
  /** Which it was. */
  conversation_id: string;
}
export const unreadUpdated = z.object({ type: z.literal("unread.updated"), total: z.int().min(0) });
/** Unread messages of all conversations. */
export interface UnreadUpdated {
  type: "unread.updated";
  /** How many. */
  total: number;
}
export const settingsUpdated = z.object({ type: z.literal("settings.updated"), settings: userSettings });
/** The user changed a setting, here or elsewhere. */
export interface SettingsUpdated {
  type: "settings.updated";
  /** All of them, as they are now. */
  settings: UserSettings;
}

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
/** Anything the server sends on an inbox's socket. A frame holds one of these or an array of them. */
export type InboxEvent =
  | InboxReady
  | InboxSynced
  | ConversationAdded
  | InboxConversationUpdated
  | ConversationRemoved
  | UnreadUpdated
  | ReadUpdated
  | PresenceUpdated
  | SettingsUpdated
  | AuthExpiring
  | AuthRefreshed
  | ErrorEvent;

/** Types and schemas of this file are equal. */
export type FramesHeld = Held<{
  Command: Same<Command, z.infer<typeof command>>;
  SendCommand: Same<SendCommand, z.infer<typeof sendCommand>>;
  EditCommand: Same<EditCommand, z.infer<typeof editCommand>>;
  DeleteCommand: Same<DeleteCommand, z.infer<typeof deleteCommand>>;
  AddReactionCommand: Same<AddReactionCommand, z.infer<typeof addReactionCommand>>;
  RemoveReactionCommand: Same<RemoveReactionCommand, z.infer<typeof removeReactionCommand>>;
  ReadCommand: Same<ReadCommand, z.infer<typeof readCommand>>;
  TypingCommand: Same<TypingCommand, z.infer<typeof typingCommand>>;
  RefreshCommand: Same<RefreshCommand, z.infer<typeof refreshCommand>>;
  ConversationHead: Same<ConversationHead, z.infer<typeof conversationHead>>;
  DurableEvent: Same<DurableEvent, z.infer<typeof durableEvent>>;
  LiveEvent: Same<LiveEvent, z.infer<typeof liveEvent>>;
  PresenceUpdated: Same<PresenceUpdated, z.infer<typeof presenceUpdated>>;
  Ready: Same<Ready, z.infer<typeof ready>>;
  ErrorEvent: Same<ErrorEvent, z.infer<typeof errorEvent>>;
  ServerEvent: Same<ServerEvent, z.infer<typeof serverEvent>>;
  InboxReady: Same<InboxReady, z.infer<typeof inboxReady>>;
  InboxEvent: Same<InboxEvent, z.infer<typeof inboxEvent>>;
}>;
