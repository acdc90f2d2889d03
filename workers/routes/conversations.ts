import { Hono } from "hono";
import {
  changeHistoryVisibility,
  createConversation,
  deleteConversation,
  getConversation,
  type ListCursor,
  type ListedConversation,
  listConversations,
  listUnread,
  renameConversation,
  toCursor,
  type Unread,
} from "../../db/conversations.ts";
import { type Conversation, timestamp } from "../../protocol/entities.ts";
import { conversationNotFound, refuse } from "../../protocol/errors.ts";
import { LIMITS } from "../../protocol/limits.ts";
import {
  conversationParams,
  createConversation as createBody,
  idempotencyHeader,
  listQuery,
  markRead,
  updateConversation,
} from "../../protocol/rest.ts";
import { type AppContext, type AppEnv, conversationObject } from "../context.ts";
import { announce, settleChange } from "../membership.ts";
import { RefusalError, unwrap } from "../middleware/errors.ts";
import { validated } from "../middleware/validated.ts";
import { uuidV7 } from "../uuid-v7.ts";

export const conversationRoutes = new Hono<AppEnv>()
  .post("/", validated("header", idempotencyHeader), validated("json", createBody), async (c) => {
    const input = c.req.valid("json");
    const { "idempotency-key": key } = c.req.valid("header");
    const { userId } = c.get("identity");
    const others = [...new Set(input.participant_ids)].filter((id) => id !== userId);
    if (input.type === "direct" && (others.length !== 1 || input.title || input.history_visibility))
      throw invalid(
        "participant_ids",
        "a direct conversation has exactly one other participant, no title and no history_visibility",
      );
    if (others.length + 1 > LIMITS.participants)
      throw invalid("participant_ids", `must leave at most ${LIMITS.participants} participants`);
    const created = await createConversation(c.get("db"), {
      id: uuidV7(),
      type: input.type,
      title: input.title ?? null,
      createdBy: userId,
      historyVisibility: input.history_visibility ?? "beginning",
      participantIds: others,
      idempotency: key === undefined ? null : { key, fingerprint: await sha256(JSON.stringify(input)) },
    });
    if (!created) {
      throw new RefusalError(
        refuse("CONFLICT", "This Idempotency-Key has already made something else.").error,
      );
    }
    // Reaching the object would settle where it lives, for ever, by where this request came from.
    if (input.location_hint && created.isNew) {
      unwrap(await conversationObject(c.env, created.id, input.location_hint).summary(userId));
    }
    if (created.isNew) c.executionCtx.waitUntil(announce(c.env, c.get("db"), created.id));
    const listed = await getConversation(c.get("db"), created.id, userId);
    const conversation = listed && (created.isNew ? listed.conversation : await refresh(c, listed));
    if (!conversation) throw new RefusalError(conversationNotFound().error);
    return c.json({ data: conversation }, created.isNew ? 201 : 200);
  })
  .get("/", validated("query", listQuery), async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const found = await listConversations(c.get("db"), {
      userId: c.get("identity").userId,
      limit: limit + 1,
      cursor: cursor === undefined ? undefined : decodeCursor(cursor),
    });
    const page = found.slice(0, limit);
    const last = page.at(-1)?.conversation;
    const refreshed = await Promise.all(page.map((listed) => refresh(c, listed)));
    const data = refreshed
      .filter((conversation) => conversation !== null)
      .sort((a, b) =>
        a.updated_at === b.updated_at ? (a.id < b.id ? 1 : -1) : a.updated_at < b.updated_at ? 1 : -1,
      );
    const hasMore = found.length > limit;
    return c.json({
      data,
      has_more: hasMore,
      ...(hasMore && last ? { next_cursor: toCursor(last) } : {}),
    });
  })
  .get("/unread-count", async (c) => {
    const found = await listUnread(c.get("db"), c.get("identity").userId);
    const conversations = (
      await Promise.all(
        found.map((unread, index) => (index < UNREAD_ASKED ? refreshUnread(c, unread) : unread)),
      )
    ).flatMap((unread) => unread ?? []);
    const counts = conversations.map(({ id, unread_count, last_read_id, last_message_id }) => ({
      id,
      unread_count,
      last_read_id,
      last_message_id,
    }));
    const total = counts.reduce((sum, { unread_count }) => sum + unread_count, 0);
    return c.json({ data: { total, conversations: counts } });
  })
  .put("/:id/read", validated("param", conversationParams), validated("json", markRead), async (c) => {
    const { id } = c.req.valid("param");
    const read = await conversationObject(c.env, id).read(
      c.get("identity").userId,
      c.req.valid("json").last_read_id,
    );
    return c.json({ data: unwrap(read) });
  })
  .get("/:id", validated("param", conversationParams), async (c) => {
    const { id } = c.req.valid("param");
    const listed = await getConversation(c.get("db"), id, c.get("identity").userId);
    const conversation = listed && (await refresh(c, listed));
    if (!conversation) throw new RefusalError(conversationNotFound().error);
    return c.json({ data: conversation });
  })
  .patch("/:id", validated("param", conversationParams), validated("json", updateConversation), async (c) => {
    const { id } = c.req.valid("param");
    const { userId } = c.get("identity");
    const { title, history_visibility: historyVisibility } = c.req.valid("json");
    const change = { id, actorId: userId };
    if (historyVisibility !== undefined) {
      const outcome = await changeHistoryVisibility(c.get("db"), { ...change, historyVisibility });
      await settleChange(c, outcome);
    }
    if (title !== undefined) {
      await settleChange(c, await renameConversation(c.get("db"), { ...change, title }));
    }
    const listed = await getConversation(c.get("db"), id, userId);
    const conversation = listed && (await refresh(c, listed));
    if (!conversation) throw new RefusalError(conversationNotFound().error);
    return c.json({ data: conversation });
  })
  .delete("/:id", validated("param", conversationParams), async (c) => {
    const { id } = c.req.valid("param");
    await settleChange(c, await deleteConversation(c.get("db"), { id, actorId: c.get("identity").userId }));
    return c.body(null, 204);
  });

/**
 * The newest state of a conversation found in Postgres: its object may hold messages that are not drained yet.
 * One that no object ever loaded has none, and is not woken. An object that cannot answer leaves what Postgres knows.
 */
async function refresh(
  c: AppContext,
  { conversation, activated }: ListedConversation,
): Promise<Conversation | null> {
  if (!activated) return conversation;
  try {
    const summary = await conversationObject(c.env, conversation.id).summary(c.get("identity").userId);
    if (summary.ok) return summary.value;
    return summary.error.code === "CONVERSATION_NOT_FOUND" ? null : conversation;
  } catch {
    return conversation;
  }
}

/** Conversations of an unread count that are asked for what Postgres may not have yet. */
const UNREAD_ASKED = 100;

/**
 * The newest count of a conversation that was active a moment ago, and so may have messages that are not drained; the
 * others are drained at once after a silence. null for one that is gone.
 */
async function refreshUnread(c: AppContext, unread: Unread): Promise<Unread | null> {
  if (!unread.isActive) return unread;
  try {
    const summary = await conversationObject(c.env, unread.id).summary(c.get("identity").userId);
    if (!summary.ok) return summary.error.code === "CONVERSATION_NOT_FOUND" ? null : unread;
    const { last_message_id, me } = summary.value;
    return { ...unread, last_message_id, last_read_id: me.last_read_id, unread_count: me.unread_count };
  } catch {
    return unread;
  }
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function decodeCursor(cursor: string): ListCursor {
  try {
    const [updatedAt, id] = JSON.parse(atob(cursor));
    const params = conversationParams.parse({ id });
    if (!(Date.parse(timestamp.parse(updatedAt)) >= 0)) throw new Error("before all conversations");
    return { updatedAt, id: params.id };
  } catch {
    throw invalid("cursor", "must be a next_cursor of an earlier page");
  }
}

const invalid = (path: string, message: string): RefusalError =>
  new RefusalError(
    refuse("VALIDATION_FAILED", "The request is not valid.", { details: [{ path, message }] }).error,
  );
