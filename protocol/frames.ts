import { z } from "zod";
import {
  conversation,
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

/** Any command a conversation's socket accepts. */
export const command = z.discriminatedUnion("type", [sendCommand, editCommand, deleteCommand]);
export type Command = z.infer<typeof command>;
export type SendCommand = z.infer<typeof sendCommand>;
export type EditCommand = z.infer<typeof editCommand>;
export type DeleteCommand = z.infer<typeof deleteCommand>;
export const COMMAND_TYPES = command.options.map((option) => option.shape.type.value);

// Events: what the server sends.

/** The parts of a conversation that are the same for every participant. */
export const conversationHead = conversation.pick({
  id: true,
  title: true,
  updated_at: true,
  participant_count: true,
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

/** Anything the server sends on a conversation's socket. A frame holds one of these or an array of them. */
export const serverEvent = z.union([ready, synced, errorEvent, durableEvent]);
export type ServerEvent = z.infer<typeof serverEvent>;
