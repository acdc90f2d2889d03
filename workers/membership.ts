import { type Database, describeError, openDatabase } from "../db/client.ts";
import type { ChangeOutcome, ChangeVerdict } from "../db/conversations.ts";
import { purgeDeleted, purgeIdempotencyKeys } from "../db/conversations.ts";
import { markTold, markUntellable, purgeTold, type UntoldChange, untoldChangesQuery } from "../db/outbox.ts";
import {
  markSettingsTold,
  markSettingsUntellable,
  onlineAmong,
  onlineParticipants,
  untoldSettings,
  type VersionedSettings,
} from "../db/presence.ts";
import { liveConversationsOf, purgeRevocations } from "../db/revocations.ts";
import { backfillSearch } from "../db/search-index.ts";
import { inParallel } from "../durable-objects/in-parallel.ts";
import { conversationNotFound, type Refusal, refuse } from "../protocol/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import { type AppContext, conversationObject, inboxObject } from "./context.ts";
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
 * Finishes a change that Postgres has committed: everybody it concerns must know of it before the caller gets an answer,
 * so that somebody removed is cut off by then. If they cannot be told now, the caller is asked to try again, and the
 * outbox row makes the cron tell them in any case.
 */
export async function settleChange(c: AppContext, { verdict, untold }: ChangeOutcome): Promise<void> {
  // An earlier attempt may have changed Postgres and failed to tell, so that "no_target" and "unchanged" tell too.
  if (untold !== null && verdict !== "not_participant" && verdict !== "forbidden") {
    if (!(await tell(c.env, c.get("db"), untold))) {
      throw new RefusalError(
        refuse("SERVICE_UNAVAILABLE", "The change is stored and will take effect shortly. Try again.", {
          retry_after_ms: 1_000,
        }).error,
      );
    }
    c.executionCtx.waitUntil(
      markTold(c.get("db"), untold).then(
        () => undefined,
        // Told twice does no harm: the cron repeats it.
        () => undefined,
      ),
    );
  }
  if (verdict !== "done" && verdict !== "unchanged") throw new RefusalError(REFUSALS[verdict]);
}

/** Tells of a new conversation those who are online; if that fails, the cron does. */
export async function announce(env: Env, db: Database, conversationId: string): Promise<void> {
  const created = { conversationId, version: 1, isActivated: false, removed: [] };
  if (await tell(env, db, created)) await markTold(db, created).catch(() => undefined);
}

/** An object tells everybody else; of a conversation that none holds, open inboxes are told from here. */
async function tell(env: Env, db: Database, untold: UntoldChange): Promise<boolean> {
  const { conversationId, version, isActivated, removed } = untold;
  try {
    if (isActivated) return (await conversationObject(env, conversationId).versionChanged(version)).ok;
    const [present, left] = await Promise.all([
      onlineParticipants(db, conversationId),
      onlineAmong(db, removed),
    ]);
    const userIds = [...new Set([...present, ...left.map(({ userId }) => userId)])];
    await inParallel(userIds, TOLD_AT_ONCE, (userId) => inboxObject(env, userId).refresh(conversationId));
    return true;
  } catch (error) {
    console.error(
      JSON.stringify({ event: "tell_failed", conversation_id: conversationId, error: describeError(error) }),
    );
    return false;
  }
}

const TOLD_AT_ONCE = 50;

/** Tells each of them, some at a time. @returns how many could not be told */
export async function tellAll(
  ids: readonly string[],
  tellOne: (id: string) => Promise<{ ok: boolean }>,
): Promise<number> {
  let failed = 0;
  await inParallel(ids, TOLD_AT_ONCE, async (id) => {
    const isTold = await tellOne(id).then(
      ({ ok }) => ok,
      () => false,
    );
    if (!isTold) failed += 1;
  });
  return failed;
}
/** Tells everything of a user that may be loaded what they decided; what cannot be told now, the cron tells. */
export async function tellSettings(
  env: Env,
  db: Database,
  userId: string,
  settings: VersionedSettings,
): Promise<boolean> {
  const ids = await liveConversationsOf(db, userId);
  const failed = await tellAll(ids, (id) => conversationObject(env, id).settingsChanged(userId, settings));
  const isInboxTold = await inboxObject(env, userId)
    .settingsChanged(settings)
    .then(
      () => true,
      () => false,
    );
  if (failed > 0 || !isInboxTold) return false;
  // Told twice does no harm: the cron repeats what is not marked.
  await markSettingsTold(db, userId, settings.version).catch(() => undefined);
  return true;
}

const SWEEP_AFTER_SECONDS = 5;
const SWEEP_ROWS = 200;
const SWEPT_AT_ONCE = 4;
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
  const newest = new Map<string, UntoldChange>();
  for (const { conversationId, version, isActivated, removed } of rows) {
    const known = newest.get(conversationId);
    newest.set(conversationId, {
      conversationId,
      version: Math.max(version, known?.version ?? 0),
      isActivated,
      removed: [...(known?.removed ?? []), ...(removed === null ? [] : [removed])],
    });
  }
  const failed: string[] = [];
  await Promise.all(
    [...newest.values()].map(async (untold) => {
      if (await tell(env, db, untold)) await markTold(db, untold);
      else failed.push(untold.conversationId);
    }),
  );
  if (failed.length > 0) await markUntellable(db, failed);
  const decided = await untoldSettings(db, { olderThanSeconds: SWEEP_AFTER_SECONDS, limit: SWEEP_ROWS });
  const untold: string[] = [];
  await inParallel(decided, SWEPT_AT_ONCE, async ({ userId, settings }) => {
    if (!(await tellSettings(env, db, userId, settings))) untold.push(userId);
  });
  if (untold.length > 0) await markSettingsUntellable(db, untold);
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
