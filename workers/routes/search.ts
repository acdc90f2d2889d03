import { Hono } from "hono";
import type { MessagePosition } from "../../db/search.ts";
import { messageId, timestamp } from "../../protocol/entities.ts";
import { refuse } from "../../protocol/errors.ts";
import { conversationParams, searchAllQuery, searchQuery } from "../../protocol/rest.ts";
import type { AppEnv } from "../context.ts";
import { RefusalError } from "../middleware/errors.ts";
import { validated } from "../middleware/validated.ts";
import { searchAll, searchOne } from "../search.ts";

export const searchRoutes = new Hono<AppEnv>()
  .get(
    "/conversations/:id/messages/search",
    validated("param", conversationParams),
    validated("query", searchQuery),
    async (c) => {
      const { q: query, limit, before_id: beforeId } = c.req.valid("query");
      const { hits, next } = await searchOne(c, c.req.valid("param").id, { query, limit, beforeId });
      return c.json({
        data: hits,
        has_more: next !== null,
        ...(next === null ? {} : { next_before_id: next }),
      });
    },
  )
  .get("/search", validated("query", searchAllQuery), async (c) => {
    const { q: query, limit, cursor } = c.req.valid("query");
    const before = cursor === undefined ? null : decodeCursor(cursor);
    const { hits, next } = await searchAll(c, { query, limit, before });
    return c.json({
      data: hits,
      has_more: next !== null,
      ...(next === null ? {} : { next_cursor: encodeCursor(next) }),
    });
  });

const encodeCursor = ({ created_at, conversation_id, id }: MessagePosition): string =>
  btoa(JSON.stringify([created_at, conversation_id, id]));

function decodeCursor(cursor: string): MessagePosition {
  try {
    const [createdAt, conversationId, id] = JSON.parse(atob(cursor));
    const created_at = timestamp.parse(createdAt);
    if (!(Date.parse(created_at) >= 0)) throw new Error("before all messages");
    const { id: conversation_id } = conversationParams.parse({ id: conversationId });
    return { created_at, conversation_id, id: messageId.parse(id) };
  } catch {
    const details = [{ path: "cursor", message: "must be a next_cursor of an earlier page" }];
    throw new RefusalError(refuse("VALIDATION_FAILED", "The request is not valid.", { details }).error);
  }
}
