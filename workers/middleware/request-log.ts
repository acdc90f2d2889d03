import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { AppEnv } from "../context.ts";

/** Gives every request an id, returned in `X-Request-Id`, and writes one line when it is answered. */
export const requestLog = (): MiddlewareHandler<AppEnv> => async (c, next) => {
  const started = Date.now();
  c.set("requestId", crypto.randomUUID());
  await next();
  // The response of an upgrade cannot be changed, and has nobody who could read the header.
  if (c.res.status !== 101) c.header("X-Request-Id", c.get("requestId"));
  console.log(
    JSON.stringify({
      event: "request",
      request_id: c.get("requestId"),
      method: c.req.method,
      // The pattern, not the path: ids stay out of logs.
      route: matchedRoutes(c).findLast(({ path }) => !path.endsWith("*"))?.path ?? "unmatched",
      status: c.res.status,
      ms: Date.now() - started,
    }),
  );
};
