import type { Message, MessageBody, Reaction } from "../protocol/entities.ts";
import { conversationNotFound, type Refusal, refuse } from "../protocol/errors.ts";
import type { DurableEvent } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Log } from "./log.ts";
import type { Mirror } from "./mirror.ts";

/** A validated wish of a user to change the messages of a conversation. */
export type MessageCommand =
  | {
      type: "message.send";
      temp_id: string;
      body: MessageBody;
      reply_to_id?: number | null | undefined;
      /** Written by the application on behalf of the user; who may do that, the Worker has checked. */
      isSystem?: boolean;
    }
  | { type: "message.edit"; id: number; body: MessageBody }
  | { type: "message.delete"; id: number }
  | { type: "reaction.add" | "reaction.remove"; id: number; emoji: string };

/** What became of a command. */
export type CommandOutcome =
  /** A new change: everybody gets the event. */
  | { kind: "changed"; event: MessageEvent; message: Message }
  /** It had been done before: only the asker is told. */
  | { kind: "repeated"; event: MessageEvent; message: Message }
  | { kind: "refused"; refusal: Refusal };

/** What a command makes happen. */
export type MessageEvent = Extract<DurableEvent, { message: Message } | { message_id: number }>;

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
  // What they may not see does not exist for them.
  const visible = (id: number): Message | null => (id < member.visible_from_id ? null : log.get(id));

  switch (command.type) {
    case "message.send": {
      const replyTo = command.reply_to_id ?? null;
      const message: Message = {
        id: position.head + 1,
        conversation_id: mirror.state.id,
        sender_id: userId,
        temp_id: command.temp_id,
        type: command.isSystem ? "system" : "user",
        body: command.body,
        reply_to_id: replyTo,
        reactions: [],
        created_at: now,
        edited_at: null,
        deleted_at: null,
        seq,
      };
      // A repeat is answered before its reply is looked at: it was valid when it was made.
      const isReplyWrong = replyTo !== null && (replyTo > position.head || replyTo < member.visible_from_id);
      if (isReplyWrong && !log.byTempId(userId, command.temp_id)) {
        return { kind: "refused", refusal: messageNotFound() };
      }
      if (log.append(message)) {
        return { kind: "changed", event: { type: "message.created", seq, message }, message };
      }
      const original = log.byTempId(userId, command.temp_id);
      if (!original) throw new Error("A message was neither stored nor found by its temp_id.");
      return {
        kind: "repeated",
        event: { type: "message.created", seq: original.seq, message: original, duplicate: true },
        message: original,
      };
    }
    case "message.edit": {
      const message = visible(command.id);
      if (!message || message.deleted_at !== null) return { kind: "refused", refusal: messageNotFound() };
      if (message.sender_id !== userId || message.type !== "user") {
        return { kind: "refused", refusal: refuse("FORBIDDEN", "Only its sender may edit a message.").error };
      }
      const edited: Message = { ...message, body: command.body, edited_at: now, seq };
      log.change(edited);
      return { kind: "changed", event: { type: "message.updated", seq, message: edited }, message: edited };
    }
    case "message.delete": {
      const message = visible(command.id);
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
          message,
        };
      }
      const deleted: Message = { ...message, body: null, reactions: [], deleted_at: now, seq };
      log.change(deleted);
      return { kind: "changed", event: { type: "message.deleted", seq, message: deleted }, message: deleted };
    }
    case "reaction.add":
    case "reaction.remove": {
      const message = visible(command.id);
      if (!message || message.deleted_at !== null) return { kind: "refused", refusal: messageNotFound() };
      const { id, emoji } = command;
      const added = command.type === "reaction.add";
      const reactions = react(message.reactions, emoji, userId, added);
      const { length } = reactions;
      const isTooMany = length > message.reactions.length && length > LIMITS.reactionsPerMessage;
      if (isTooMany || (added && JSON.stringify(reactions).length > LIMITS.reactionCharacters)) {
        return { kind: "refused", refusal: tooManyReactions };
      }
      const count = reactions.find((reaction) => reaction.emoji === emoji)?.count ?? 0;
      const event = {
        type: "reaction.updated",
        message_id: id,
        emoji,
        user_id: userId,
        added,
        count,
      } as const;
      if (reactions === message.reactions) {
        return { kind: "repeated", event: { ...event, seq: message.seq, duplicate: true }, message };
      }
      const changed: Message = { ...message, reactions, seq };
      log.change(changed);
      return { kind: "changed", event: { ...event, seq }, message: changed };
    }
  }
}

/** The reactions after a user gave an emoji or took it back; the same array when that changes nothing. */
function react(reactions: Reaction[], emoji: string, userId: string, added: boolean): Reaction[] {
  const known = reactions.find((reaction) => reaction.emoji === emoji);
  if ((known?.user_ids.includes(userId) ?? false) === added) return reactions;
  const others = known?.user_ids.filter((id) => id !== userId) ?? [];
  const userIds = added ? [...others, userId] : others;
  const changed = { emoji, count: userIds.length, user_ids: userIds };
  if (!known) return [...reactions, changed];
  return reactions.flatMap((reaction) => {
    if (reaction !== known) return [reaction];
    return userIds.length === 0 ? [] : [changed];
  });
}

const tooManyReactions = refuse(
  "CONFLICT",
  `A message has at most ${LIMITS.reactionsPerMessage} different reactions, of as many users as fit into it.`,
).error;

const messageNotFound = (): Refusal => refuse("MESSAGE_NOT_FOUND", "There is no such message.").error;
