import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import type { AppEnv } from "../context.ts";
import { readSettings } from "../env.ts";

/** Security headers on every reply but an upgrade, whose headers are fixed and which no page is shown from. */
export function secureHeadersExceptUpgrades(
  options: Parameters<typeof secureHeaders>[0],
): MiddlewareHandler<AppEnv> {
  const secure = secureHeaders(options);
  return (c, next) => (c.req.header("Upgrade") === undefined ? secure(c, next) : next());
}

/** CORS for the origins in `ALLOWED_ORIGINS`; any other gets no CORS header at all. */
export function allowedOrigins(): MiddlewareHandler<AppEnv> {
  const allow = cors({
    origin: (origin) => origin,
    // For the session cookie of the application.
    credentials: true,
    allowHeaders: ["Authorization", "Content-Type", "Idempotency-Key"],
    exposeHeaders: ["X-Request-Id", "Retry-After"],
    maxAge: 86_400,
  });
  return async (c, next) => {
    const origin = c.req.header("Origin");
    const read = readSettings(c.env);
    if (origin !== undefined && read.ok && read.settings.ALLOWED_ORIGINS.includes(origin))
      return allow(c, next);
    await next();
    if (c.res.status !== 101) c.header("Vary", "Origin", { append: true });
  };
}
