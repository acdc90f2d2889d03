import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { saveProfile } from "../../db/users.ts";
import type { UnauthorizedReason } from "../../protocol/close-codes.ts";
import { userId } from "../../protocol/entities.ts";
import { refuse } from "../../protocol/errors.ts";
import type { Authentication, Identity } from "../auth/identity.ts";
import { authenticateRequest } from "../auth/request-credential.ts";
import { unlessRevoked } from "../auth/revocation.ts";
import { findService, mayUse, ON_BEHALF_OF, SERVICE_KEY_PREFIX, type Service } from "../auth/service.ts";
import type { AppContext, AppEnv } from "../context.ts";
import { errorResponse, RefusalError } from "./errors.ts";
import { addressOf, isLimited, tooMany } from "./rate-limit.ts";

const MESSAGE: Record<UnauthorizedReason, string> = {
  missing: "A credential is required: Authorization: Bearer <token>.",
  invalid: "The credential is not valid.",
  expired: "The credential has expired.",
  revoked: "The credential has been revoked.",
};

const EXCHANGE = "/api/auth/token";

/** Lets only requests with an accepted credential through: a bearer, a session cookie, or a service key. */
export const authenticated = (): MiddlewareHandler<AppEnv> => async (c, next) => {
  const settings = c.get("settings");
  const bearer = readBearer(c);
  c.set("service", null);
  if (bearer?.startsWith(SERVICE_KEY_PREFIX)) {
    const service = await findService(bearer, settings.SERVICE_KEYS);
    if (!service) return unauthorized(c, "invalid");
    c.set("service", service);
    c.set("identity", identityFor(c, service));
    return next();
  }
  const result: Authentication = await unlessRevoked(
    c.get("db"),
    await authenticateRequest(c, settings, bearer),
    // A token that is given out may not outlive what was revoked.
    c.req.path === EXCHANGE ? { isFresh: true, isStrict: true } : { isFresh: false },
  );
  if (!result.ok) return unauthorized(c, result.reason);
  c.set("identity", result.identity);
  rememberProfile(c, result.identity);
  await next();
};

/** What stands in `Authorization: Bearer`; null without that header, "" for another scheme. */
function readBearer(c: AppContext): string | null {
  const header = c.req.header("Authorization");
  if (header === undefined) return null;
  const [scheme = "", token = ""] = header.split(" ", 2);
  return scheme.toLowerCase() === "bearer" ? token : "";
}

async function unauthorized(c: AppContext, reason: UnauthorizedReason): Promise<Response> {
  if (await isLimited(c.env, "FAILURE_LIMIT", addressOf(c))) return tooMany(c);
  const details = [{ path: "authorization", message: reason }];
  return errorResponse(c, refuse("UNAUTHORIZED", MESSAGE[reason], { details }).error);
}

/**
 * The user a service acts for, with that user's own rights.
 *
 * @throws {RefusalError} FORBIDDEN on a route outside its scopes, VALIDATION_FAILED when it names no user
 */
function identityFor(c: AppContext, service: Service): Identity {
  const path = matchedRoutes(c).findLast((route) => !route.path.endsWith("*"))?.path ?? "";
  if (!mayUse(service, `${c.req.method} ${path}`)) {
    throw new RefusalError(refuse("FORBIDDEN", `The service ${service.name} may not do this.`).error);
  }
  const named = userId.safeParse(decode(c.req.header(ON_BEHALF_OF)));
  // Revoking names its user in the body.
  if (!named.success && path !== "/api/auth/revoke") {
    const details = [{ path: ON_BEHALF_OF.toLowerCase(), message: "must name a user, percent-encoded" }];
    throw new RefusalError(refuse("VALIDATION_FAILED", "The header is not valid.", { details }).error);
  }
  return {
    userId: named.data ?? "",
    name: null,
    avatarUrl: null,
    expiresAt: null,
    jti: null,
    issuedAtMs: null,
  };
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const REMEMBERED_MAX = 10_000;
const remembered = new Map<string, string>();

/** Keeps the profile a credential carries, once per isolate and change, beside the request and not in its way. */
export function rememberProfile(c: AppContext, { userId: id, name, avatarUrl }: Identity): void {
  if (name === null && avatarUrl === null) return;
  const seen = JSON.stringify([name, avatarUrl]);
  if (remembered.get(id) === seen) return;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(id, seen);
  const save = async (): Promise<void> => {
    try {
      await saveProfile(c.get("db"), { id, name, avatar_url: avatarUrl });
    } catch {
      // Seen again with the next request.
      remembered.delete(id);
    }
  };
  c.executionCtx.waitUntil(save());
}
