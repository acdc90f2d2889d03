import { z } from "zod";
import { isCleanText } from "./clean-json.ts";
import {
  type ConversationType,
  conversationId,
  conversationType,
  emoji,
  type Held,
  type HistoryVisibility,
  historyVisibility,
  type Message,
  message,
  messageBodyInput,
  messageId,
  role,
  type Same,
  tempId,
  title,
  userId,
} from "./entities.ts";
import { LIMITS } from "./limits.ts";
import { normaliseQuery } from "./search-text.ts";

// Request shapes of the REST API, one per body, query or set of path parameters.

const profileText = z.string().min(1).max(1_000).refine(isCleanText, "must be text without NUL characters");

const participantIds = z.array(userId).max(LIMITS.participants);

export const locationHint = z.enum(["wnam", "enam", "sam", "weur", "eeur", "apac", "oc", "afr", "me"]);
/**
 * Where a conversation should live, by Cloudflare's names: North America's west and east, South America, Europe's west and
 * east, Asia-Pacific, Oceania, Africa, the Middle East.
 */
export type LocationHint = "wnam" | "enam" | "sam" | "weur" | "eeur" | "apac" | "oc" | "afr" | "me";

export const createConversation = z.strictObject({
  type: conversationType,
  title: title.nullish(),
  participant_ids: participantIds,
  location_hint: locationHint.optional(),
  history_visibility: historyVisibility.optional(),
});
/** What makes a conversation. */
export interface CreateConversation {
  /** For good. */
  type: ConversationType;
  /** At most 200 characters. Groups alone have one. */
  title?: string | null;
  /** The others; at most 1,000 take part in all. A direct conversation has exactly one other. */
  participant_ids: string[];
  /** Default: near whoever reaches it first. */
  location_hint?: LocationHint;
  /** Default: `beginning`. Groups alone have one. */
  history_visibility?: HistoryVisibility;
}

/** Makes a creation that is repeated with the same key, by the same user within a day, the same creation. */
export const idempotencyHeader = z.object({
  "idempotency-key": z
    .string()
    .min(1)
    .max(LIMITS.idempotencyKeyLength)
    .regex(/^[\x20-\x7e]+$/, "must be printable ASCII")
    .optional(),
});

export const updateConversation = z
  .strictObject({ title: title.nullable().optional(), history_visibility: historyVisibility.optional() })
  .refine(
    (changes) => changes.title !== undefined || changes.history_visibility !== undefined,
    "must have title or history_visibility",
  );
/** What is to be different in a conversation; what is left out stays as it is. */
export interface UpdateConversation {
  /** null removes it. */
  title?: string | null;
  /** What those see who join later. */
  history_visibility?: HistoryVisibility;
}
export const addParticipants = z.strictObject({ user_ids: participantIds.min(1), role: role.optional() });
export const updateParticipant = z.strictObject({ role });
export const sendMessage = z.strictObject({
  temp_id: tempId,
  body: messageBodyInput,
  reply_to_id: messageId.nullish(),
  /** `system` is for service credentials alone. */
  type: z.enum(["user", "system"]).optional(),
});
export const exchangeToken = z.strictObject({
  name: profileText.optional(),
  avatar_url: profileText.optional(),
});
/** What a service may say of the user it asks a chat token for. */
export interface ExchangeToken {
  /** What others see, at most 1,000 characters. */
  name?: string;
  /** A picture of the user, at most 1,000 characters. */
  avatar_url?: string;
}
export const revokeCredentials = z.strictObject({
  user_id: userId,
  /** Only this credential; without it, all that the user was given until now. */
  jti: profileText.optional(),
});
export const updateSettings = z
  .strictObject({ invisible: z.boolean().optional(), read_receipts: z.boolean().optional() })
  .refine(
    (changes) => changes.invisible !== undefined || changes.read_receipts !== undefined,
    "must have invisible or read_receipts",
  );
/** What is to be different in {@link UserSettings}; what is left out stays as it is. */
export interface UpdateSettings {
  /** Nobody sees whether the user is online, was seen, or types. */
  invisible?: boolean;
  /** Others see how far the user has read. */
  read_receipts?: boolean;
}
export const markRead = z.strictObject({ last_read_id: z.int().min(0) });
export const editMessage = z.strictObject({ body: messageBodyInput });

/** A whole number as it stands in a URL: digits only, so that "1e3", " 5" and "0x10" are refused. */
const urlInteger = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.int().min(min).max(max));

const limit = urlInteger(1, LIMITS.pageSizeMax).default(LIMITS.pageSizeDefault);

export const conversationParams = z.object({ id: conversationId });
export const participantParams = conversationParams.extend({ user_id: userId });
export const messageParams = conversationParams.extend({
  message_id: urlInteger(1, Number.MAX_SAFE_INTEGER),
});
export const reactionParams = messageParams.extend({ emoji });
export const sinceParams = conversationParams.extend({ message_id: urlInteger(0, Number.MAX_SAFE_INTEGER) });

export const listQuery = z.object({ limit, cursor: z.string().max(256).refine(isCleanText).optional() });
export const sinceQuery = z.object({ limit });
export const messagesQuery = z
  .object({
    limit,
    before_id: urlInteger(1, Number.MAX_SAFE_INTEGER).optional(),
    after_id: urlInteger(0, Number.MAX_SAFE_INTEGER).optional(),
  })
  .refine((query) => query.before_id === undefined || query.after_id === undefined, {
    path: ["after_id"],
    message: "cannot be combined with before_id",
  });

const searched = z
  .string()
  .max(LIMITS.searchLength)
  .refine((text) => normaliseQuery(text) !== "", "must not be blank");
export const searchQuery = z.object({
  q: searched,
  limit,
  before_id: urlInteger(1, Number.MAX_SAFE_INTEGER).optional(),
});
export const searchAllQuery = z.object({
  q: searched,
  limit,
  cursor: z.string().max(256).refine(isCleanText).optional(),
});
export const searchHit = message.extend({
  highlights: z.array(z.object({ start: z.int().min(0), end: z.int().min(1) })).min(1),
});
/** A message that was found. */
export interface SearchHit extends Message {
  /** Where `body.text` says it: UTF-16 offsets, `end` exclusive, ascending, not overlapping; the first 100. */
  highlights: { start: number; end: number }[];
}
const clientId = z.string().min(1).max(64).optional();
export const inboxQuery = z.object({ client_id: clientId });
export const socketQuery = z.object({
  since: urlInteger(0, Number.MAX_SAFE_INTEGER).optional(),
  client_id: clientId,
  epoch: z.string().max(64).optional(),
});

/** Types and schemas of this file are equal. */
export type RestHeld = Held<{
  LocationHint: Same<LocationHint, z.infer<typeof locationHint>>;
  CreateConversation: Same<CreateConversation, z.infer<typeof createConversation>>;
  UpdateConversation: Same<UpdateConversation, z.infer<typeof updateConversation>>;
  ExchangeToken: Same<ExchangeToken, z.infer<typeof exchangeToken>>;
  UpdateSettings: Same<UpdateSettings, z.infer<typeof updateSettings>>;
  SearchHit: Same<SearchHit, z.infer<typeof searchHit>>;
}>;
