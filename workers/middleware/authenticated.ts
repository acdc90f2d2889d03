import type { MiddlewareHandler } from "hono";
import { saveProfile } from "../../db/users.ts";
import type { UnauthorizedReason } from "../../protocol/close-codes.ts";
import { refuse } from "../../protocol/errors.ts";
import { authenticate } from "../auth/authenticate.ts";
import type { Identity } from "../auth/identity.ts";
import type { AppContext, AppEnv } from "../context.ts";
import { errorResponse } from "./errors.ts";

const MESSAGE: Record<UnauthorizedReason, string> = {
  missing: "A credential is required: Authorization: Bearer <token>.",
  invalid: "The credential is not valid.",
  expired: "The credential has expired.",
};

/** Lets only requests with an accepted `Authorization: Bearer` credential through. */
export const authenticated = (): MiddlewareHandler<AppEnv> => async (c, next) => {
  const [scheme = "", token = ""] = (c.req.header("Authorization") ?? "").split(" ", 2);
  const result = await authenticate(scheme.toLowerCase() === "bearer" ? token : null, c.get("settings"));
  if (!result.ok) {
    const details = [{ path: "authorization", message: result.reason }];
    return errorResponse(c, refuse("UNAUTHORIZED", MESSAGE[result.reason], { details }).error);
  }
  c.set("identity", result.identity);
  rememberProfile(c, result.identity);
  await next();
};

const REMEMBERED_MAX = 10_000;
const remembered = new Map<string, string>();

/** Keeps the profile a credential carries, once per isolate and change, beside the request and not in its way. */
export function rememberProfile(c: AppContext, { userId, name, avatarUrl }: Identity): void {
  if (name === null && avatarUrl === null) return;
  const seen = JSON.stringify([name, avatarUrl]);
  if (remembered.get(userId) === seen) return;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(userId, seen);
  const save = async (): Promise<void> => {
    try {
      await saveProfile(c.get("db"), { id: userId, name, avatar_url: avatarUrl });
    } catch {
      // Seen again with the next request.
      remembered.delete(userId);
    }
  };
  c.executionCtx.waitUntil(save());
}
