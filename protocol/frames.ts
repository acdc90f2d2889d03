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
} from "./entities.ts";
import { LIMITS } from "./limits.ts";

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

/** Any command a conversation's socket accepts. */
export const command = z.discriminatedUnion("type", [
  sendCommand,
  editCommand,
  deleteCommand,
  addReactionCommand,
  removeReactionCommand,
  refreshCommand,
]);
export type Command = z.infer<typeof command>;
export type SendCommand = z.infer<typeof sendCommand>;
export type EditCommand = z.infer<typeof editCommand>;
export type DeleteCommand = z.infer<typeof deleteCommand>;
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

/** Anything the server sends on a conversation's socket. A frame holds one of these or an array of them. */
export const serverEvent = z.union([ready, synced, authExpiring, authRefreshed, errorEvent, durableEvent]);
export type ServerEvent = z.infer<typeof serverEvent>;
