import { Hono } from "hono";
import { readMessagePage } from "../../db/messages.ts";
import type { Message, MessageBody } from "../../protocol/entities.ts";
import { type Result, refuse } from "../../protocol/errors.ts";
import {
  conversationParams,
  editMessage,
  messageParams,
  messagesQuery,
  reactionParams,
  sendMessage,
  sinceParams,
  sinceQuery,
} from "../../protocol/rest.ts";
import type { Scope, Service } from "../auth/service.ts";
import { type AppContext, type AppEnv, conversationObject } from "../context.ts";
import { completePage, type PageRange } from "../message-page.ts";
import { RefusalError, unwrap } from "../middleware/errors.ts";
import { validated } from "../middleware/validated.ts";

export const messageRoutes = new Hono<AppEnv>()
  .get(
    "/:id/messages",
    validated("param", conversationParams),
    validated("query", messagesQuery),
    async (c) => {
      const { limit, before_id: beforeId, after_id: afterId } = c.req.valid("query");
      return c.json(await readPage(c, c.req.valid("param").id, { limit, beforeId, afterId }));
    },
  )
  .get(
    "/:id/messages/since/:message_id",
    validated("param", sinceParams),
    validated("query", sinceQuery),
    async (c) => {
      const { id, message_id: afterId } = c.req.valid("param");
      return c.json(await readPage(c, id, { limit: c.req.valid("query").limit, afterId }));
    },
  )
  .post(
    "/:id/messages",
    validated("param", conversationParams),
    validated("json", sendMessage),
    async (c) => {
      const { body, temp_id, reply_to_id, type } = c.req.valid("json");
      const service = c.get("service");
      if (
        type === "system"
          ? !service?.scopes.includes("messages:system")
          : isWithout(service, "messages:write")
      ) {
        throw new RefusalError(refuse("FORBIDDEN", `You may not write ${type ?? "user"} messages.`).error);
      }
      const { message, isNew } = unwrap(
        await conversationObject(c.env, c.req.valid("param").id).execute(c.get("identity").userId, {
          type: "message.send",
          temp_id,
          reply_to_id,
          body: body as MessageBody,
          ...(type === "system" ? { isSystem: true } : {}),
        }),
      );
      return c.json({ data: message }, isNew ? 201 : 200);
    },
  )
  .patch(
    "/:id/messages/:message_id",
    validated("param", messageParams),
    validated("json", editMessage),
    async (c) => {
      const { id, message_id } = c.req.valid("param");
      const { message } = unwrap(
        await conversationObject(c.env, id).execute(c.get("identity").userId, {
          type: "message.edit",
          id: message_id,
          body: c.req.valid("json").body as MessageBody,
        }),
      );
      return c.json({ data: message });
    },
  )
  .delete("/:id/messages/:message_id", validated("param", messageParams), async (c) => {
    const { id, message_id } = c.req.valid("param");
    const { message } = unwrap(
      await conversationObject(c.env, id).execute(c.get("identity").userId, {
        type: "message.delete",
        id: message_id,
      }),
    );
    return c.json({ data: message });
  })
  .put("/:id/messages/:message_id/reactions/:emoji", validated("param", reactionParams), async (c) => {
    return c.json({ data: unwrap(await react(c, "reaction.add", c.req.valid("param"))).message });
  })
  .delete("/:id/messages/:message_id/reactions/:emoji", validated("param", reactionParams), async (c) => {
    return c.json({ data: unwrap(await react(c, "reaction.remove", c.req.valid("param"))).message });
  });

/** Whether a service acts that lacks the scope; users need none. */
const isWithout = (service: Service | null, scope: Scope): boolean =>
  service !== null && !service.scopes.includes(scope);

function react(
  c: AppContext,
  type: "reaction.add" | "reaction.remove",
  { id, message_id, emoji }: { id: string; message_id: number; emoji: string },
): Promise<Result<{ message: Message }>> {
  return conversationObject(c.env, id).execute(c.get("identity").userId, { type, id: message_id, emoji });
}

/**
 * A page of messages, ids ascending. The object answers, and knows every acknowledged message; what it does
 * not hold comes from Postgres, corrected by the changes that are not drained yet. The object is asked first:
 * what it called drained then is in Postgres now.
 */
async function readPage(
  c: AppContext,
  id: string,
  range: PageRange,
): Promise<{ data: Message[]; has_more: boolean }> {
  const page = unwrap(await conversationObject(c.env, id).page(c.get("identity").userId, range));
  const older = page.missing
    ? await readMessagePage(c.get("db"), { conversationId: id, ...page.missing })
    : [];
  return completePage(page, older, range);
}
