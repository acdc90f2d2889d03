import { z } from "zod";
import { findUncleanJson, isCleanText } from "./clean-json.ts";
import { LIMITS } from "./limits.ts";

// What clients see is written down as types of their own, because a client's declarations must do without zod. The end of
// each file holds them equal to the schemas.

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
/** `direct`: two people, for good. `group`: any number, who may change, and a title. */
export type ConversationType = "direct" | "group";

export const role = z.enum(["admin", "member"]);
/** An `admin` renames, deletes, adds, removes and changes roles. */
export type Role = "admin" | "member";

export const historyVisibility = z.enum(["beginning", "joining"]);
/** What those see who join later: everything (`beginning`), or what comes after they join (`joining`). */
export type HistoryVisibility = "beginning" | "joining";

export const title = z
  .string()
  .trim()
  .min(1, "must not be empty")
  .refine(
    (text) => fits(text, LIMITS.titleCharacters),
    `must have at most ${LIMITS.titleCharacters} characters`,
  );

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
/** A file in a message. Written by the server. */
export interface Attachment {
  /** Of the file. */
  id: string;
  /** The file's name, for people. */
  name: string;
  /** Its media type, such as `image/png`. */
  content_type: string;
  /** Bytes. */
  size: number;
  /** Pixels, of a picture. */
  width?: number;
  /** Pixels, of a picture. */
  height?: number;
  /** Where the file is. */
  url: string;
  /** Where a smaller picture of it is, if there is one. */
  preview_url?: string;
}

/** Any JSON. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export const messageBody = z.object({
  text: z.string().optional(),
  attachments: z.array(attachment).optional(),
  data: z.json().optional(),
});
/** What a message says: text, data, or both. */
export interface MessageBody {
  /** At most 10,000 code points, and never blank. */
  text?: string;
  /** Files, in the order they are shown. */
  attachments?: Attachment[];
  /** The application's own, at most 16 KiB as JSON; of a system message a {@link SystemEvent}. */
  data?: Json;
}

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
/** What a sender may put into a message: text, data, or both. Unknown keys are refused. */
export interface MessageBodyInput {
  /** At most 10,000 code points, and not blank. */
  text?: string;
  /** Any JSON of at most 16 KiB. */
  data?: unknown;
}

export const reaction = z.object({ emoji: z.string(), count: z.int(), user_ids: z.array(z.string()) });
/** One emoji under a message. */
export interface Reaction {
  /** An emoji, or a name such as `:party:`. */
  emoji: string;
  /** How many users give it. */
  count: number;
  /** Who they are, first comers first. */
  user_ids: string[];
}

export const systemEvent = z.discriminatedUnion("event", [
  z.object({ event: z.literal("participants_added"), user_ids: z.array(z.string()) }),
  z.object({ event: z.literal("participant_removed"), user_id: z.string() }),
  z.object({ event: z.literal("participant_left"), user_id: z.string() }),
  z.object({ event: z.literal("conversation_renamed"), title: z.string().nullable() }),
]);
/** What the system message about a change says, in `body.data`. `sender_id` is who made the change. */
export type SystemEvent =
  | { event: "participants_added"; user_ids: string[] }
  | { event: "participant_removed"; user_id: string }
  | { event: "participant_left"; user_id: string }
  | { event: "conversation_renamed"; title: string | null };

export const message = z.object({
  id: messageId,
  conversation_id: z.string(),
  sender_id: z.string(),
  temp_id: z.string().nullable(),
  type: z.enum(["user", "system"]),
  body: messageBody.nullable(),
  reply_to_id: messageId.nullable(),
  reactions: z.array(reaction),
  created_at: timestamp,
  edited_at: timestamp.nullable(),
  deleted_at: timestamp.nullable(),
  seq,
});
/** One message, the same in REST, on the socket and in the client. */
export interface Message {
  /** 1, 2, 3, … in its conversation, without gaps, in the order everybody sees. */
  id: number;
  /** A UUID. */
  conversation_id: string;
  /** The user who sent it; of a system message, who made the change it tells. */
  sender_id: string;
  /** The sender's idempotency key; null where the service itself tells a change. */
  temp_id: string | null;
  /** `system`: it tells a {@link SystemEvent} in `body.data`, or what a back end says. */
  type: "user" | "system";
  /** null once the message is deleted. */
  body: MessageBody | null;
  /** The message of the same conversation that this one answers. */
  reply_to_id: number | null;
  /** Oldest first: one for each emoji that anybody gives. */
  reactions: Reaction[];
  /** ISO 8601, UTC, milliseconds, by the service's clock. */
  created_at: string;
  /** When the body was last replaced; null if it never was. */
  edited_at: string | null;
  /** null unless the message is deleted. */
  deleted_at: string | null;
  /** The newest change of this message, as a number of its conversation's changes. */
  seq: number;
}

export const profile = z.object({
  id: z.string(),
  name: z.string().nullable(),
  avatar_url: z.string().nullable(),
});
/** What the service knows of a user: seen in credentials, null where none was. */
export interface Profile {
  /** The user's id, as the host application names it. */
  id: string;
  /** What others see. */
  name: string | null;
  /** A picture of the user. */
  avatar_url: string | null;
}

export const userSettings = z.object({ invisible: z.boolean(), read_receipts: z.boolean() });
/** What a user decided for all their conversations. */
export interface UserSettings {
  /** Nobody sees whether the user is online, was seen, or types. Default: false. */
  invisible: boolean;
  /** Others see how far the user has read. Default: true. */
  read_receipts: boolean;
}
/** Of a user who never decided anything. */
export const DEFAULT_SETTINGS: UserSettings = { invisible: false, read_receipts: true };

export const participant = z.object({
  user_id: z.string(),
  role,
  joined_at: timestamp,
  last_read_id: z.int().min(0),
  online: z.boolean(),
  last_seen_at: timestamp.nullable(),
  user: profile,
});
/** Somebody who takes part in a conversation. */
export interface Participant {
  /** As the host application names the user. */
  user_id: string;
  /** What they may do here. */
  role: Role;
  /** ISO 8601, UTC, milliseconds. */
  joined_at: string;
  /** The newest message they have read; 0 before the first, and to others of somebody who gives no read receipts. */
  last_read_id: number;
  /** Whether any of their devices is connected; false of whoever is invisible. */
  online: boolean;
  /** When they were last online, or when they hid; null while they never were. */
  last_seen_at: string | null;
  /** What the service knows of them. */
  user: Profile;
}

export const conversationMe = z.object({
  role,
  last_read_id: z.int().min(0),
  unread_count: z.int().min(0),
  muted_until: timestamp.nullable(),
});
/** What a conversation is to the user who asks. */
export interface ConversationMe {
  /** What the user may do here. */
  role: Role;
  /** The newest message the user has read; 0 before the first. */
  last_read_id: number;
  /** Messages of others after it that are not deleted, system messages not counted. */
  unread_count: number;
  /** ISO 8601; null unless it is muted. */
  muted_until: string | null;
}

export const conversation = z.object({
  id: z.string(),
  type: conversationType,
  title: z.string().nullable(),
  created_by: z.string(),
  created_at: timestamp,
  updated_at: timestamp,
  last_message_id: z.int().min(0),
  last_message: message.nullable(),
  participant_count: z.int(),
  history_visibility: historyVisibility,
  me: conversationMe,
});
/** A conversation as one of its participants sees it. */
export interface Conversation {
  /** A UUID. */
  id: string;
  /** For good. */
  type: ConversationType;
  /** At most 200 characters; null where none was given, and of every direct conversation. */
  title: string | null;
  /** The user who created it. */
  created_by: string;
  /** ISO 8601, UTC, milliseconds. */
  created_at: string;
  /** When anything was last said or changed in it: lists are in this order. */
  updated_at: string;
  /** 0 before the first message. */
  last_message_id: number;
  /** The newest message the user may see. */
  last_message: Message | null;
  /** All who take part, the user among them. */
  participant_count: number;
  /** What those see who join later. */
  history_visibility: HistoryVisibility;
  /** What it is to the user who asks. */
  me: ConversationMe;
}

/** True when both are the same to the last field. Assignability alone would overlook one that may be left out. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where all of it is true. */
export type Held<_Checks extends Record<string, true>> = true;

/** Types and schemas of this file are equal. */
export type EntitiesHeld = Held<{
  ConversationType: Same<ConversationType, z.infer<typeof conversationType>>;
  Role: Same<Role, z.infer<typeof role>>;
  HistoryVisibility: Same<HistoryVisibility, z.infer<typeof historyVisibility>>;
  Attachment: Same<Attachment, z.infer<typeof attachment>>;
  MessageBody: Same<MessageBody, z.infer<typeof messageBody>>;
  MessageBodyInput: Same<MessageBodyInput, z.infer<typeof messageBodyInput>>;
  Reaction: Same<Reaction, z.infer<typeof reaction>>;
  SystemEvent: Same<SystemEvent, z.infer<typeof systemEvent>>;
  Message: Same<Message, z.infer<typeof message>>;
  Profile: Same<Profile, z.infer<typeof profile>>;
  UserSettings: Same<UserSettings, z.infer<typeof userSettings>>;
  Participant: Same<Participant, z.infer<typeof participant>>;
  ConversationMe: Same<ConversationMe, z.infer<typeof conversationMe>>;
  Conversation: Same<Conversation, z.infer<typeof conversation>>;
}>;
