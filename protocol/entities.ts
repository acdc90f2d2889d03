import { z } from "zod";
import { findUncleanJson, isCleanText } from "./clean-json.ts";
import { LIMITS } from "./limits.ts";

const codePoints = (text: string): number => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

/** True without counting when the UTF-16 length already fits. */
const fits = (text: string, limit: number): boolean => text.length <= limit || codePoints(text) <= limit;

/** Opaque id of a user, as the host application names it (Auth.js `sub`, a UUID, …). */
export const userId = z
  .string()
  .min(1)
  .max(LIMITS.userIdLength)
  .refine(isCleanText, "must be text without NUL characters or lone surrogates");

/** UUID of a conversation; the service creates version 7. */
export const conversationId = z.uuid().toLowerCase();

/** Position of a message in its conversation: 1, 2, 3, … without gaps. */
export const messageId = z.int().min(1);

/** Number of a durable change in its conversation. 0 means before the first. */
export const seq = z.int().min(0);

/** The sender's idempotency key. */
export const tempId = z.string().min(1).max(LIMITS.tempIdLength);

/**
 * What a reaction says: one emoji (RGI_Emoji of Unicode's UTS #51, with or without its variation selector), or a name
 * such as `:party:` that the application shows a picture for.
 */
export const emoji = z
  .string()
  .max(LIMITS.emojiLength)
  .transform((text) => (isEmoji(text) || !isEmoji(`${text}${EMOJI_STYLE}`) ? text : `${text}${EMOJI_STYLE}`))
  .refine((text) => isEmoji(text) || EMOJI_NAME.test(text), "must be one emoji, or a name such as :party:");

/** Variation selector 16, which makes a character an emoji that is also a text symbol. */
const EMOJI_STYLE = "\ufe0f";
const EMOJI_NAME = /^:[a-z0-9_+-]+:$/;
const isEmoji = (text: string): boolean => /^\p{RGI_Emoji}$/v.test(text);

/** ISO 8601, UTC, milliseconds. */
export const timestamp = z.iso.datetime();

export const conversationType = z.enum(["direct", "group"]);
export type ConversationType = z.infer<typeof conversationType>;

export const role = z.enum(["admin", "member"]);
export type Role = z.infer<typeof role>;

/** What those see who join later: everything, or what comes after they join. */
export const historyVisibility = z.enum(["beginning", "joining"]);
export type HistoryVisibility = z.infer<typeof historyVisibility>;

export const title = z
  .string()
  .trim()
  .min(1, "must not be empty")
  .refine(
    (text) => fits(text, LIMITS.titleCharacters),
    `must have at most ${LIMITS.titleCharacters} characters`,
  );

/** A file in a message. Written by the server. */
export const attachment = z.object({
  id: z.string(),
  name: z.string(),
  content_type: z.string(),
  size: z.int(),
  width: z.int().optional(),
  height: z.int().optional(),
  url: z.string(),
  preview_url: z.string().optional(),
});
export type Attachment = z.infer<typeof attachment>;

/** What a message says. */
export const messageBody = z.object({
  text: z.string().optional(),
  attachments: z.array(attachment).optional(),
  data: z.json().optional(),
});
export type MessageBody = z.infer<typeof messageBody>;

/** What a sender may put into a message: text, data, or both. Unknown keys are refused. */
export const messageBodyInput = z
  .strictObject({
    text: z
      .string()
      .refine((text) => text.trim() !== "", "must not be blank")
      .refine(
        (text) => fits(text, LIMITS.textCharacters),
        `must have at most ${LIMITS.textCharacters} characters`,
      )
      .optional(),
    data: z
      .unknown()
      .refine(
        (data) =>
          data === undefined ||
          // Nesting without end cannot be serialised, and is refused by the check of the whole value.
          findUncleanJson(data) !== null ||
          new TextEncoder().encode(JSON.stringify(data)).length <= LIMITS.dataBytes,
        `must be at most ${LIMITS.dataBytes} bytes of JSON`,
      )
      .optional(),
  })
  .refine(
    (body) => body.text !== undefined || (body.data !== undefined && body.data !== null),
    "must have text or data",
  );

export const reaction = z.object({ emoji: z.string(), count: z.int(), user_ids: z.array(z.string()) });
/** One emoji under a message, and who gave it, first comers first. */
export type Reaction = z.infer<typeof reaction>;

/** What the system message about a change says, in `body.data`. `sender_id` is who made the change. */
export const systemEvent = z.discriminatedUnion("event", [
  z.object({ event: z.literal("participants_added"), user_ids: z.array(z.string()) }),
  z.object({ event: z.literal("participant_removed"), user_id: z.string() }),
  z.object({ event: z.literal("participant_left"), user_id: z.string() }),
  z.object({ event: z.literal("conversation_renamed"), title: z.string().nullable() }),
]);
export type SystemEvent = z.infer<typeof systemEvent>;

export const message = z.object({
  id: messageId,
  conversation_id: z.string(),
  sender_id: z.string(),
  temp_id: z.string().nullable(),
  type: z.enum(["user", "system"]),
  /** null once the message is deleted. */
  body: messageBody.nullable(),
  reply_to_id: messageId.nullable(),
  reactions: z.array(reaction),
  created_at: timestamp,
  edited_at: timestamp.nullable(),
  deleted_at: timestamp.nullable(),
  /** The newest change of this message. */
  seq,
});
/** One message, the same in REST, on the socket and in the client. */
export type Message = z.infer<typeof message>;

export const profile = z.object({
  id: z.string(),
  name: z.string().nullable(),
  avatar_url: z.string().nullable(),
});
/** What the service knows of a user: seen in credentials, null where none was. */
export type Profile = z.infer<typeof profile>;

export const userSettings = z.object({
  /** Nobody sees whether the user is online, was seen, or types. */
  invisible: z.boolean(),
  /** Others see how far the user has read. */
  read_receipts: z.boolean(),
});
/** What a user decided for all their conversations. */
export type UserSettings = z.infer<typeof userSettings>;
/** Of a user who never decided anything. */
export const DEFAULT_SETTINGS: UserSettings = { invisible: false, read_receipts: true };

export const participant = z.object({
  user_id: z.string(),
  role,
  joined_at: timestamp,
  /** 0 to others, for somebody who gives no read receipts. */
  last_read_id: z.int().min(0),
  online: z.boolean(),
  /** When they were last online, or when they hid; null while they never were. */
  last_seen_at: timestamp.nullable(),
  user: profile,
});
export type Participant = z.infer<typeof participant>;

export const conversationMe = z.object({
  role,
  last_read_id: z.int().min(0),
  unread_count: z.int().min(0),
  muted_until: timestamp.nullable(),
});

export const conversation = z.object({
  id: z.string(),
  type: conversationType,
  title: z.string().nullable(),
  created_by: z.string(),
  created_at: timestamp,
  updated_at: timestamp,
  /** 0 before the first message. */
  last_message_id: z.int().min(0),
  last_message: message.nullable(),
  participant_count: z.int(),
  history_visibility: historyVisibility,
  me: conversationMe,
});
/** A conversation as one of its participants sees it. */
export type Conversation = z.infer<typeof conversation>;
