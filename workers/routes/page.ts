import { Hono } from "hono";
import type { AppEnv } from "../context.ts";

/** The demo page, in development only: it signs in as demo users without a password. */
export const pageRoutes = new Hono<AppEnv>().get("/*", async (c) => {
  const isPage = c.env.ENVIRONMENT === "development" && !c.req.path.startsWith("/api");
  if (!isPage || !c.env.ASSETS) return c.notFound();
  const asset = await c.env.ASSETS.fetch(c.req.raw);
  // A fetched response has fixed headers; the middleware adds its own.
  return new Response(asset.body, asset);
});
