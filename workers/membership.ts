import { describeError, openDatabase } from "../db/client.ts";
import type { ChangeOutcome, ChangeVerdict } from "../db/conversations.ts";
import { purgeDeleted, purgeIdempotencyKeys } from "../db/conversations.ts";
import { markTold, markUntellable, purgeTold, untoldChangesQuery } from "../db/outbox.ts";
import { purgeRevocations } from "../db/revocations.ts";
import { backfillSearch } from "../db/search-index.ts";
import { conversationNotFound, type Refusal, refuse } from "../protocol/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import { type AppContext, conversationObject } from "./context.ts";
import type { Env } from "./env.ts";
import { RefusalError } from "./middleware/errors.ts";
import { reportSettings } from "./middleware/settings.ts";

const REFUSALS: Record<Exclude<ChangeVerdict, "done" | "unchanged">, Refusal> = {
  not_participant: conversationNotFound().error,
  forbidden: refuse("FORBIDDEN", "Only an admin of the conversation may do this.").error,
  no_target: refuse("NOT_FOUND", "This user does not take part in the conversation.").error,
  last_admin: refuse(
    "CONFLICT",
    "The last admin stays while others remain: make somebody else an admin first.",
  ).error,
  full: refuse("CONFLICT", `A conversation has at most ${LIMITS.participants} participants.`).error,
  direct: refuse("CONFLICT", "A direct conversation has no title and stays between its two participants.")
    .error,
};

/**
 * Finishes a change that Postgres has committed: the object must know of it before the caller gets an answer,
 * so that somebody removed is cut off by then. If the object cannot be told now, the caller is asked to try
 * again, and the outbox row makes the cron tell it in any case.
 */
export async function settleChange(
  c: AppContext,
  conversationId: string,
  outcome: ChangeOutcome,
): Promise<void> {
  const { verdict, tellVersion } = outcome;
  // An earlier attempt may have changed Postgres and failed to tell, so that "no_target" and "unchanged" tell too.
  if (tellVersion !== null && verdict !== "not_participant" && verdict !== "forbidden") {
    if (!(await tell(c.env, conversationId, tellVersion))) {
      throw new RefusalError(
        refuse("SERVICE_UNAVAILABLE", "The change is stored and will take effect shortly. Try again.", {
          retry_after_ms: 1_000,
        }).error,
      );
    }
    c.executionCtx.waitUntil(
      markTold(c.get("db"), { conversationId, version: tellVersion }).then(
        () => undefined,
        // Told twice does no harm: the cron repeats it.
        () => undefined,
      ),
    );
  }
  if (verdict !== "done" && verdict !== "unchanged") throw new RefusalError(REFUSALS[verdict]);
}

async function tell(
  env: Pick<Env, "CONVERSATIONS">,
  conversationId: string,
  version: number,
): Promise<boolean> {
  try {
    return (await conversationObject(env, conversationId).versionChanged(version)).ok;
  } catch (error) {
    console.error(
      JSON.stringify({ event: "tell_failed", conversation_id: conversationId, error: describeError(error) }),
    );
    return false;
  }
}

const SWEEP_AFTER_SECONDS = 5;
const SWEEP_ROWS = 200;
/** Of 500 messages each. */
const BACKFILL_STEPS = 20;

/**
 * The cron: tells objects what their Worker could not, erases what was deleted and forgets what is old, and makes
 * messages searchable that were stored before there was a search.
 */
export async function sweep(env: Env): Promise<void> {
  const read = reportSettings(env);
  if (!read.ok) return;
  const db = openDatabase({
    url: read.settings.DATABASE_URL,
    fetchEndpoint: read.settings.NEON_FETCH_ENDPOINT,
  });
  const rows = await untoldChangesQuery(db, { olderThanSeconds: SWEEP_AFTER_SECONDS, limit: SWEEP_ROWS });
  const newest = new Map<string, number>();
  for (const { conversationId, version } of rows) {
    newest.set(conversationId, Math.max(version, newest.get(conversationId) ?? 0));
  }
  const failed: string[] = [];
  await Promise.all(
    [...newest].map(async ([conversationId, version]) => {
      if (await tell(env, conversationId, version)) await markTold(db, { conversationId, version });
      else failed.push(conversationId);
    }),
  );
  if (failed.length > 0) await markUntellable(db, failed);
  await purgeTold(db);
  await purgeDeleted(db);
  await purgeIdempotencyKeys(db);
  await purgeRevocations(db);
  let steps = 0;
  while (steps < BACKFILL_STEPS && (await backfillSearch(db)) > 0) steps += 1;
  if (rows.length > 0)
    console.log(
      JSON.stringify({ event: "outbox_swept", told: newest.size - failed.length, failed: failed.length }),
    );
}
