import type { Message, MessageBody } from "../protocol/entities.ts";
import { conversationNotFound, type Refusal, refuse } from "../protocol/errors.ts";
import type { DurableEvent } from "../protocol/frames.ts";
import type { Log } from "./log.ts";
import type { Mirror } from "./mirror.ts";

/** A validated wish of a user to change the messages of a conversation. */
export type MessageCommand =
  | { type: "message.send"; temp_id: string; body: MessageBody; reply_to_id?: number | null | undefined }
  | { type: "message.edit"; id: number; body: MessageBody }
  | { type: "message.delete"; id: number };

/** What became of a command. */
export type CommandOutcome =
  /** A new change: everybody gets the event. */
  | { kind: "changed"; event: MessageEvent }
  /** It had been done before: only the asker is told. */
  | { kind: "repeated"; event: MessageEvent }
  | { kind: "refused"; refusal: Refusal };

export type MessageEvent = Extract<DurableEvent, { message: Message }>;

/** Where the next message and the next change go. */
export interface Position {
  head: number;
  seq: number;
}

/**
 * Carries out one command inside the commit's transaction.
 *
 * @param position where the conversation stands; the caller advances it by the event returned
 */
export function applyCommand(
  log: Log,
  mirror: Mirror,
  position: Position,
  userId: string,
  command: MessageCommand,
  nowMs: number,
): CommandOutcome {
  const member = mirror.member(userId);
  if (!member || !mirror.state) return { kind: "refused", refusal: conversationNotFound().error };
  const seq = position.seq + 1;
  const now = new Date(nowMs).toISOString();

  switch (command.type) {
    case "message.send": {
      const replyTo = command.reply_to_id ?? null;
      const message: Message = {
        id: position.head + 1,
        conversation_id: mirror.state.id,
        sender_id: userId,
        temp_id: command.temp_id,
        type: "user",
        body: command.body,
        reply_to_id: replyTo,
        reactions: [],
        created_at: now,
        edited_at: null,
        deleted_at: null,
        seq,
      };
      // A repeat is answered before its reply is looked at: it was valid when it was made.
      if (replyTo !== null && replyTo > position.head && !log.byTempId(userId, command.temp_id)) {
        return { kind: "refused", refusal: messageNotFound() };
      }
      if (log.append(message)) return { kind: "changed", event: { type: "message.created", seq, message } };
      const original = log.byTempId(userId, command.temp_id);
      if (!original) throw new Error("A message was neither stored nor found by its temp_id.");
      return {
        kind: "repeated",
        event: { type: "message.created", seq: original.seq, message: original, duplicate: true },
      };
    }
    case "message.edit": {
      const message = log.get(command.id);
      if (!message || message.deleted_at !== null) return { kind: "refused", refusal: messageNotFound() };
      if (message.sender_id !== userId || message.type !== "user") {
        return { kind: "refused", refusal: refuse("FORBIDDEN", "Only its sender may edit a message.").error };
      }
      const edited: Message = { ...message, body: command.body, edited_at: now, seq };
      log.change(edited);
      return { kind: "changed", event: { type: "message.updated", seq, message: edited } };
    }
    case "message.delete": {
      const message = log.get(command.id);
      if (!message) return { kind: "refused", refusal: messageNotFound() };
      if ((message.sender_id !== userId || message.type !== "user") && member.role !== "admin") {
        return {
          kind: "refused",
          refusal: refuse("FORBIDDEN", "Only its sender or an admin may delete a message.").error,
        };
      }
      if (message.deleted_at !== null) {
        return {
          kind: "repeated",
          event: { type: "message.deleted", seq: message.seq, message, duplicate: true },
        };
      }
      const deleted: Message = { ...message, body: null, deleted_at: now, seq };
      log.change(deleted);
      return { kind: "changed", event: { type: "message.deleted", seq, message: deleted } };
    }
  }
}

const messageNotFound = (): Refusal => refuse("MESSAGE_NOT_FOUND", "There is no such message.").error;
