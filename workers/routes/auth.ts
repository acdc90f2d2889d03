import { Hono } from "hono";
import { liveConversationsOf, saveRevocation } from "../../db/revocations.ts";
import { refuse } from "../../protocol/errors.ts";
import { type ExchangeToken, exchangeToken, revokeCredentials } from "../../protocol/rest.ts";
import { issueChatToken } from "../auth/chat-token.ts";
import { distrust } from "../auth/revocation.ts";
import { type AppEnv, conversationObject, inboxObject } from "../context.ts";
import { tellAll } from "../membership.ts";
import { RefusalError } from "../middleware/errors.ts";
import { validated } from "../middleware/validated.ts";

export const authRoutes = new Hono<AppEnv>()
  .post("/token", validated("json", exchangeToken), async (c) => {
    // Whoever has a credential of their own is who that says.
    const { name, avatar_url }: ExchangeToken = c.get("service") ? c.req.valid("json") : {};
    const identity = c.get("identity");
    const issued = await issueChatToken(
      { ...identity, name: name ?? identity.name, avatarUrl: avatar_url ?? identity.avatarUrl },
      c.get("settings"),
    );
    if (!issued) {
      throw new RefusalError(
        refuse("SERVICE_UNAVAILABLE", "Chat tokens are off: CHAT_TOKEN_SECRET is not set.").error,
      );
    }
    return c.json({ data: issued });
  })
  .post("/revoke", validated("json", revokeCredentials), async (c) => {
    if (!c.get("service")) {
      throw new RefusalError(refuse("FORBIDDEN", "Only a service may revoke credentials.").error);
    }
    const { user_id: userId, jti = null } = c.req.valid("json");
    const revocation = { userId, jti, beforeMs: Date.now() };
    await saveRevocation(c.get("db"), revocation);
    distrust(userId);
    const ids = await liveConversationsOf(c.get("db"), userId);
    const [failed, inbox] = await Promise.all([
      tellAll(ids, (id) => conversationObject(c.env, id).revoke(revocation)),
      tellAll([userId], (id) => inboxObject(c.env, id).revoke(revocation)),
    ]);
    if (failed + inbox > 0) {
      throw new RefusalError(
        refuse("SERVICE_UNAVAILABLE", "Revoked, but some sockets may still be open. Try again.", {
          retry_after_ms: 1_000,
        }).error,
      );
    }
    return c.json({ data: { revoked_at: new Date(revocation.beforeMs).toISOString() } });
  });
