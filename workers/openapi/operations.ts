import { z } from "zod";
import {
  conversation,
  message,
  messageId,
  participant,
  timestamp,
  userSettings,
} from "../../protocol/entities.ts";
import type { ErrorCode } from "../../protocol/errors.ts";
import { searchHit } from "../../protocol/rest.ts";

/** What of an operation no validator knows. */
export interface Operation {
  tag:
    | "Conversations"
    | "Participants"
    | "Messages"
    | "Reading"
    | "Search"
    | "Settings"
    | "Credentials"
    | "Service";
  summary: string;
  description?: string;
  /** Whether anybody may call it. */
  isOpen?: true;
  /** Whether services alone may call it, on nobody's behalf. */
  isForServices?: true;
  /** Replies by status; null for one without a body. */
  replies: Record<number, z.ZodType | null>;
  /** Error codes besides those that every operation has. */
  errors: readonly ErrorCode[];
}

const data = (schema: z.ZodType) => z.object({ data: schema });
const list = (schema: z.ZodType, more: z.ZodRawShape = {}) =>
  z.object({
    data: z.array(schema),
    has_more: z.boolean().meta({ description: "Whether there is more in the direction asked." }),
    ...more,
  });
const nextCursor = {
  next_cursor: z.string().optional().meta({ description: "`cursor` of the next page, if there is one." }),
};

// One of each, so that it is made into JSON Schema once.
const oneConversation = data(conversation);
const oneMessage = data(message);
const messages = list(message);
const participants = list(participant);

const readState = z.object({
  last_read_id: z.int().min(0),
  unread_count: z.int().min(0),
  last_message_id: z.int().min(0),
});
const unread = z.object({
  total: z.int().min(0),
  conversations: z.array(readState.extend({ id: z.uuid() })),
});
const token = z.object({ token: z.string(), expires_at: timestamp });

/** Every operation of the REST API by method and path, as Hono writes it. */
export const OPERATIONS: Record<string, Operation> = {
  "POST /api/auth/token": {
    tag: "Credentials",
    summary: "Exchange any accepted credential for a short-lived chat token",
    description:
      "The token is valid for at most an hour and never longer than what it was exchanged for. A service gets one for the user it acts for, and may say that user's name and picture in the body; for anybody else the body says nothing.",
    replies: { 200: data(token) },
    errors: [],
  },
  "POST /api/auth/revoke": {
    tag: "Credentials",
    summary: "End credentials before their time",
    description:
      "For services. Open sockets of the credentials are closed (4401 `revoked`) when this answers; REST refuses them within ten seconds everywhere. Without `jti`, everything the user was given until now is ended, the current second included.",
    isForServices: true,
    replies: { 200: data(z.object({ revoked_at: timestamp })) },
    errors: ["FORBIDDEN"],
  },
  "POST /api/conversations": {
    tag: "Conversations",
    summary: "Create a conversation",
    description:
      "Whoever creates it is admin. A `direct` conversation has exactly one other participant, and the same pair gets its first one back (200). With an `Idempotency-Key`, repeating the request within a day gives the same conversation back (200).",
    replies: { 200: oneConversation, 201: oneConversation },
    errors: ["CONFLICT"],
  },
  "GET /api/conversations": {
    tag: "Conversations",
    summary: "My conversations, newest activity first",
    replies: { 200: list(conversation, nextCursor) },
    errors: [],
  },
  "GET /api/conversations/unread-count": {
    tag: "Reading",
    summary: "How much I have not read, in total and by conversation",
    replies: { 200: data(unread) },
    errors: [],
  },
  "GET /api/conversations/:id": {
    tag: "Conversations",
    summary: "One of my conversations",
    replies: { 200: oneConversation },
    errors: ["CONVERSATION_NOT_FOUND"],
  },
  "PATCH /api/conversations/:id": {
    tag: "Conversations",
    summary: "Rename it, or set what later joiners see",
    description: "For admins.",
    replies: { 200: oneConversation },
    errors: ["CONVERSATION_NOT_FOUND", "FORBIDDEN", "CONFLICT"],
  },
  "DELETE /api/conversations/:id": {
    tag: "Conversations",
    summary: "Delete it for everybody",
    description: "For admins.",
    replies: { 204: null },
    errors: ["CONVERSATION_NOT_FOUND", "FORBIDDEN"],
  },
  "PUT /api/conversations/:id/read": {
    tag: "Reading",
    summary: "Say how far I have read",
    description: "Never moves back. Beyond the newest message is refused.",
    replies: { 200: data(readState) },
    errors: ["CONVERSATION_NOT_FOUND"],
  },
  "GET /api/settings": {
    tag: "Settings",
    summary: "What I decided for all my conversations",
    replies: { 200: data(userSettings) },
    errors: [],
  },
  "PATCH /api/settings": {
    tag: "Settings",
    summary: "Decide whether others see me online, and how far I have read",
    description:
      "Whoever is `invisible` looks offline to others, without a time, and is not seen typing. Without `read_receipts` others see 0 as `last_read_id`. Every conversation has been told when this answers.",
    replies: { 200: data(userSettings) },
    errors: [],
  },
  "GET /api/conversations/:id/participants": {
    tag: "Participants",
    summary: "Everybody in the conversation",
    replies: { 200: participants },
    errors: ["CONVERSATION_NOT_FOUND"],
  },
  "POST /api/conversations/:id/participants": {
    tag: "Participants",
    summary: "Add users",
    description: "For admins. Whoever takes part already keeps their role.",
    replies: { 201: participants },
    errors: ["CONVERSATION_NOT_FOUND", "FORBIDDEN", "CONFLICT"],
  },
  "PATCH /api/conversations/:id/participants/:user_id": {
    tag: "Participants",
    summary: "Change a role",
    description: "For admins. The last admin cannot be demoted while others remain.",
    replies: { 200: data(participant) },
    errors: ["CONVERSATION_NOT_FOUND", "NOT_FOUND", "FORBIDDEN", "CONFLICT"],
  },
  "DELETE /api/conversations/:id/participants/:user_id": {
    tag: "Participants",
    summary: "Remove somebody, or leave",
    description: "Admins remove anybody; anybody leaves. The last admin cannot leave while others remain.",
    replies: { 204: null },
    errors: ["CONVERSATION_NOT_FOUND", "NOT_FOUND", "FORBIDDEN", "CONFLICT"],
  },
  "GET /api/conversations/:id/messages": {
    tag: "Messages",
    summary: "A page of history",
    description: "Ids ascending: right before `before_id`, right after `after_id`, or the latest.",
    replies: { 200: messages },
    errors: ["CONVERSATION_NOT_FOUND"],
  },
  "GET /api/conversations/:id/messages/since/:message_id": {
    tag: "Messages",
    summary: "All that came after a message",
    replies: { 200: messages },
    errors: ["CONVERSATION_NOT_FOUND"],
  },
  "GET /api/conversations/:id/messages/search": {
    tag: "Search",
    summary: "Find messages of one conversation",
    description:
      "Newest first. Finds substrings in every script, whatever their case and width. A page may hold fewer hits than `limit`, or none, and still say where to go on: with `before_id` set to `next_before_id`.",
    replies: { 200: list(searchHit, { next_before_id: messageId.optional() }) },
    errors: ["CONVERSATION_NOT_FOUND"],
  },
  "GET /api/search": {
    tag: "Search",
    summary: "Find messages in all my conversations",
    description:
      "Newest first, by the same rules. A page may hold fewer hits than `limit`, or none, and still say where to go on: with `cursor` set to `next_cursor`.",
    replies: { 200: list(searchHit, nextCursor) },
    errors: [],
  },
  "POST /api/conversations/:id/messages": {
    tag: "Messages",
    summary: "Send a message",
    description:
      'A repeated `temp_id` of the same sender gives the original back (200). `type: "system"` is for services with the scope `messages:system`.',
    replies: { 200: oneMessage, 201: oneMessage },
    errors: ["CONVERSATION_NOT_FOUND", "MESSAGE_NOT_FOUND", "FORBIDDEN", "MESSAGE_SEND_FAILED"],
  },
  "PATCH /api/conversations/:id/messages/:message_id": {
    tag: "Messages",
    summary: "Edit one's own message",
    replies: { 200: oneMessage },
    errors: ["CONVERSATION_NOT_FOUND", "MESSAGE_NOT_FOUND", "FORBIDDEN", "MESSAGE_SEND_FAILED"],
  },
  "DELETE /api/conversations/:id/messages/:message_id": {
    tag: "Messages",
    summary: "Delete a message",
    description: "One's own, or as an admin anybody's. It keeps its place; what it said is gone everywhere.",
    replies: { 200: oneMessage },
    errors: ["CONVERSATION_NOT_FOUND", "MESSAGE_NOT_FOUND", "FORBIDDEN", "MESSAGE_SEND_FAILED"],
  },
  "PUT /api/conversations/:id/messages/:message_id/reactions/:emoji": {
    tag: "Messages",
    summary: "Give a reaction",
    replies: { 200: oneMessage },
    errors: ["CONVERSATION_NOT_FOUND", "MESSAGE_NOT_FOUND", "CONFLICT", "MESSAGE_SEND_FAILED"],
  },
  "DELETE /api/conversations/:id/messages/:message_id/reactions/:emoji": {
    tag: "Messages",
    summary: "Take one's reaction back",
    replies: { 200: oneMessage },
    errors: ["CONVERSATION_NOT_FOUND", "MESSAGE_NOT_FOUND", "MESSAGE_SEND_FAILED"],
  },
  "GET /api/health": {
    tag: "Service",
    summary: "Whether the process is up",
    isOpen: true,
    replies: { 200: data(z.object({ status: z.literal("up") })) },
    errors: [],
  },
  "GET /api/ready": {
    tag: "Service",
    summary: "Whether settings and Postgres are in order",
    isOpen: true,
    replies: { 200: data(z.object({ status: z.literal("ready") })) },
    errors: [],
  },
};
