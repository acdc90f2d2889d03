import { and, asc, eq, inArray, lt, lte, sql } from "drizzle-orm";
import type { Database } from "./client.ts";
import { outbox } from "./schema.ts";

/** A conversation whose object may not know its newest version yet. */
export interface UntoldChange {
  conversationId: string;
  version: number;
}

/** Rows that were not confirmed within `olderThanSeconds`, oldest first. */
export function untoldChangesQuery(
  db: Database,
  { olderThanSeconds, limit }: { olderThanSeconds: number; limit: number },
) {
  return db
    .select({ conversationId: outbox.conversationId, version: outbox.version })
    .from(outbox)
    .where(
      and(
        eq(outbox.processed, false),
        lt(outbox.createdAt, sql`now() - make_interval(secs => ${olderThanSeconds})`),
      ),
    )
    .orderBy(asc(outbox.createdAt))
    .limit(limit);
}

/** The object confirmed `version`, and with it everything before. */
export function markTold(db: Database, { conversationId, version }: UntoldChange) {
  return db
    .update(outbox)
    .set({ processed: true })
    .where(
      and(
        eq(outbox.processed, false),
        eq(outbox.conversationId, conversationId),
        lte(outbox.version, version),
      ),
    );
}

/** An attempt to tell failed; moved to the end of the queue so that it cannot hold up the others. */
export function markUntellable(db: Database, conversationIds: string[]) {
  return db
    .update(outbox)
    .set({ attempts: sql`${outbox.attempts} + 1`, createdAt: sql`now()` })
    .where(and(eq(outbox.processed, false), inArray(outbox.conversationId, conversationIds)));
}

/** Forgets confirmed rows after a day, in bounded steps. */
export function purgeTold(db: Database) {
  return db.execute(sql`
    delete from outbox where id in (
      select id from outbox where processed and created_at < now() - interval '1 day' order by created_at limit 5000)`);
}
