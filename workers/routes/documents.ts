import { type Context, Hono } from "hono";
import { etag } from "hono/etag";
import type { RouterRoute } from "hono/types";
import type { AppEnv } from "../context.ts";
import { asyncApiDocument } from "../openapi/asyncapi.ts";
import { openApiDocument } from "../openapi/openapi.ts";
import { documentationPage, STYLE } from "../openapi/page.ts";

const CACHED = "public, max-age=300";

/**
 * The API's own description, open to everybody: it says nothing that the source does not.
 *
 * @param routesOf the routes that run, known only when all are registered
 */
export function documentRoutes(routesOf: () => readonly RouterRoute[]) {
  const openapi = once(() => openApiDocument(routesOf()));
  const asyncapi = once(asyncApiDocument);
  const page = once(() => String(documentationPage(openapi(), asyncapi())));
  const cached = (c: Context<AppEnv>) => c.header("Cache-Control", CACHED);
  return (
    new Hono<AppEnv>()
      .use("/openapi.json", etag())
      .use("/asyncapi.json", etag())
      .use("/docs", etag())
      .get("/openapi.json", (c) => {
        cached(c);
        return c.json(openapi());
      })
      .get("/asyncapi.json", (c) => {
        cached(c);
        return c.json(asyncapi());
      })
      .get("/docs", (c) => {
        cached(c);
        return c.html(page());
      })
      // A file of its own, because the service's content security policy allows no style in a page.
      .get("/docs/style.css", (c) => {
        cached(c);
        return c.body(STYLE, 200, { "Content-Type": "text/css; charset=utf-8" });
      })
  );
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
