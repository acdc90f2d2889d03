import { and, eq, gt, inArray, isNull, lt, or, sql } from "drizzle-orm";
import { type Database, isoTime } from "./client.ts";
import { conversations, participants, revocations } from "./schema.ts";

/** What a credential says of itself, and what a revocation is matched against. */
export interface CredentialMarks {
  userId: string;
  jti: string | null;
  /** Unix milliseconds. */
  issuedAtMs: number | null;
}

/** Credentials that ended before their time: one by its `jti`, or all of a user made at or before `beforeMs`. */
export interface Revocation {
  userId: string;
  /** null for all of the user's. */
  jti: string | null;
  beforeMs: number;
}

/** No credential is taken to live longer: what was revoked before then is forgotten. */
export const KEPT_DAYS = 90;

/** A `jti` is its user's own: two issuers may use the same. */
const jtiKey = (userId: string, jti: string): string => JSON.stringify([userId, jti]);

export function saveRevocation(db: Database, { userId, jti, beforeMs }: Revocation) {
  const revokedAt = new Date(beforeMs).toISOString();
  return db
    .insert(revocations)
    .values({
      kind: jti === null ? "user" : "jti",
      value: jti === null ? userId : jtiKey(userId, jti),
      revokedAt,
      expiresAt: sql`now() + make_interval(days => ${KEPT_DAYS})`,
    })
    .onConflictDoUpdate({
      target: [revocations.kind, revocations.value],
      set: {
        revokedAt: sql`greatest(${revocations.revokedAt}, excluded.revoked_at)`,
        expiresAt: sql`excluded.expires_at`,
      },
    });
}

/** What was revoked of these users and credentials. */
export function revocationsQuery(db: Database, marks: readonly CredentialMarks[]) {
  const keys = marks.flatMap(({ userId, jti }) => (jti === null ? [] : [jtiKey(userId, jti)]));
  return db
    .select({ kind: revocations.kind, value: revocations.value, revokedAt: revocations.revokedAt })
    .from(revocations)
    .where(
      and(
        gt(revocations.expiresAt, sql`now()`),
        or(
          and(
            eq(revocations.kind, "user"),
            inArray(
              revocations.value,
              marks.map(({ userId }) => userId),
            ),
          ),
          and(eq(revocations.kind, "jti"), inArray(revocations.value, keys)),
        ),
      ),
    );
}

/** Which of the credentials were ended before their time, in the order asked. */
export async function areRevoked(db: Database, marks: readonly CredentialMarks[]): Promise<boolean[]> {
  const rows = await revocationsQuery(db, marks);
  const untilMs = new Map(
    rows.map(({ kind, value, revokedAt }) => [`${kind} ${value}`, Date.parse(isoTime(revokedAt))]),
  );
  return marks.map(({ userId, jti, issuedAtMs }) => {
    // One that does not say when it was made counts as old.
    const isOld = (issuedAtMs ?? 0) <= (untilMs.get(`user ${userId}`) ?? Number.NEGATIVE_INFINITY);
    return isOld || (jti !== null && untilMs.has(`jti ${jtiKey(userId, jti)}`));
  });
}

/**
 * Conversations of the user that an object holds: where they may have a socket. An object that is just reading from
 * Postgres is waited for, because it may have read what is older than what its caller has committed.
 */
export async function liveConversationsOf(db: Database, userId: string): Promise<string[]> {
  const rows = await db
    .select({ id: conversations.id, activatedAt: conversations.activatedAt })
    .from(participants)
    .innerJoin(conversations, eq(conversations.id, participants.conversationId))
    .where(and(eq(participants.userId, userId), isNull(conversations.deletedAt)))
    .orderBy(conversations.id)
    .for("share", { of: conversations });
  return rows.flatMap(({ id, activatedAt }) => (activatedAt === null ? [] : [id]));
}

/** Forgets revocations of credentials that have ended by themselves. */
export function purgeRevocations(db: Database) {
  return db.delete(revocations).where(lt(revocations.expiresAt, sql`now()`));
}
