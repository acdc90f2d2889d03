import { Hono } from "hono";
import { readSettings, saveSettings } from "../../db/presence.ts";
import { refuse } from "../../protocol/errors.ts";
import { updateSettings } from "../../protocol/rest.ts";
import type { AppEnv } from "../context.ts";
import { tellSettings } from "../membership.ts";
import { RefusalError } from "../middleware/errors.ts";
import { validated } from "../middleware/validated.ts";

/** What a user decides for all their conversations. */
export const settingsRoutes = new Hono<AppEnv>()
  .get("/", async (c) => {
    const { version: _, ...data } = await readSettings(c.get("db"), c.get("identity").userId);
    return c.json({ data });
  })
  .patch("/", validated("json", updateSettings), async (c) => {
    const { userId } = c.get("identity");
    const { settings, isTold } = await saveSettings(c.get("db"), userId, c.req.valid("json"));
    // Whoever is seen now must not be seen when this is answered.
    if (!isTold && !(await tellSettings(c.env, c.get("db"), userId, settings))) {
      const message = "The settings are stored and will take effect shortly. Try again.";
      throw new RefusalError(refuse("SERVICE_UNAVAILABLE", message, { retry_after_ms: 1_000 }).error);
    }
    const { version: _, ...data } = settings;
    return c.json({ data });
  });
