import { Hono } from "hono";
import type { AppEnv } from "../context.ts";

/** The demo page, in development only: it signs in as demo users without a password. */
export const pageRoutes = new Hono<AppEnv>().get("/*", (c) => {
  const isPage = c.env.ENVIRONMENT === "development" && !c.req.path.startsWith("/api");
  return isPage && c.env.ASSETS ? c.env.ASSETS.fetch(c.req.raw) : c.notFound();
});
