import type { MiddlewareHandler } from "hono";
import { openDatabase } from "../../db/client.ts";
import { refuse } from "../../protocol/errors.ts";
import type { AppEnv } from "../context.ts";
import { type Env, readSettings } from "../env.ts";
import { errorResponse } from "./errors.ts";

let reported: string | undefined;

/** Says once in the log what is missing or wrong, and how to mend it. */
export function reportSettings(env: Env): ReturnType<typeof readSettings> {
  const read = readSettings(env);
  const text = read.ok ? "" : read.problems.join(" ");
  if (!read.ok && text !== reported) {
    console.error(
      JSON.stringify({
        event: "settings_wrong",
        problems: read.problems,
        help: "Set them in .dev.vars (local) or with `npx wrangler secret put NAME` (deployed), or run `npm run dev`.",
      }),
    );
  }
  reported = text;
  return read;
}

/** Lets nothing through on missing or wrong settings. */
export const requireSettings = (): MiddlewareHandler<AppEnv> => async (c, next) => {
  const read = reportSettings(c.env);
  if (!read.ok) {
    return errorResponse(
      c,
      refuse("SERVICE_UNAVAILABLE", "The service is not set up. GET /api/ready says what is missing.").error,
    );
  }
  c.set("settings", read.settings);
  c.set(
    "db",
    openDatabase({ url: read.settings.DATABASE_URL, fetchEndpoint: read.settings.NEON_FETCH_ENDPOINT }),
  );
  await next();
};
