import { sql } from "drizzle-orm";
import { Hono } from "hono";
import { openDatabase, sqlState } from "../../db/client.ts";
import { refuse, toErrorBody } from "../../protocol/errors.ts";
import type { AppEnv } from "../context.ts";
import { reportSettings } from "../middleware/settings.ts";

/** Health of the process and readiness of what it needs. Open to everybody; says names, never values. */
export const statusRoutes = new Hono<AppEnv>()
  .get("/health", (c) => c.json({ data: { status: "up" } }))
  .get("/ready", async (c) => {
    const notReady = (message: string) =>
      c.json({ error: toErrorBody(refuse("SERVICE_UNAVAILABLE", message).error, c.get("requestId")) }, 503);
    const read = reportSettings(c.env);
    if (!read.ok) {
      return notReady(
        `${read.problems.join(" ")} Set them in .dev.vars, or with \`npx wrangler secret put\` where it is deployed.`,
      );
    }
    const { DATABASE_URL: url, NEON_FETCH_ENDPOINT: fetchEndpoint } = read.settings;
    try {
      await openDatabase({ url, fetchEndpoint }).execute(sql`select 1 from messages limit 1`);
      return c.json({ data: { status: "ready" } });
    } catch (error) {
      if (sqlState(error) === "42P01")
        return notReady("The database has no tables yet: run `npm run deploy` or `npm run dev`.");
      if (sqlState(error) !== undefined) return notReady(`Postgres refuses: SQLSTATE ${sqlState(error)}.`);
      return notReady(
        "Postgres cannot be reached through Neon's HTTP protocol. DATABASE_URL must name a Neon database; for any other Postgres run `npm run dev`, which brings a proxy.",
      );
    }
  });
