import { and, asc, eq, inArray, lt, lte, sql } from "drizzle-orm";
import type { Database } from "./client.ts";
import { conversations, outbox } from "./schema.ts";

/** A change that those it concerns may not know of. */
export interface UntoldChange {
  conversationId: string;
  version: number;
  /** Whether an object holds the conversation, which then tells everybody else. */
  isActivated: boolean;
  /** Who took part before the change and does not any more. */
  removed: string[];
}

/** Rows that were not confirmed within `olderThanSeconds`, oldest first. */
export function untoldChangesQuery(
  db: Database,
  { olderThanSeconds, limit }: { olderThanSeconds: number; limit: number },
) {
  return db
    .select({
      conversationId: outbox.conversationId,
      version: outbox.version,
      isActivated: sql<boolean>`${conversations.activatedAt} is not null`,
      removed: sql<string | null>`${outbox.body} #>> '{data,user_id}'`,
    })
    .from(outbox)
    .leftJoin(conversations, eq(conversations.id, outbox.conversationId))
    .where(
      and(
        eq(outbox.processed, false),
        lt(outbox.createdAt, sql`now() - make_interval(secs => ${olderThanSeconds})`),
      ),
    )
    .orderBy(asc(outbox.createdAt))
    .limit(limit);
}

/** Everybody knows of `version`, and with it of everything before. */
export function markTold(
  db: Database,
  { conversationId, version }: Pick<UntoldChange, "conversationId" | "version">,
) {
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
