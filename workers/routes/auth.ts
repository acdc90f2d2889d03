import { Hono } from "hono";
import { refuse } from "../../protocol/errors.ts";
import { issueChatToken } from "../auth/chat-token.ts";
import type { AppEnv } from "../context.ts";
import { RefusalError } from "../middleware/errors.ts";

export const authRoutes = new Hono<AppEnv>().post("/token", async (c) => {
  const issued = await issueChatToken(c.get("identity"), c.get("settings"));
  if (!issued) {
    throw new RefusalError(
      refuse("SERVICE_UNAVAILABLE", "Chat tokens are off: CHAT_TOKEN_SECRET is not set.").error,
    );
  }
  return c.json({ data: issued });
});
