import { type Database, describeError } from "../../db/client.ts";
import { type CredentialMarks, isRevoked } from "../../db/revocations.ts";
import { type Authentication, rejected } from "./identity.ts";

/** How long an isolate takes a credential for good without asking again. */
const TRUSTED_MS = 10_000;
const TRUSTED_MAX = 10_000;

/** Nobody waits longer for the answer; and after none came, nobody asks for a while: chat goes on without Postgres. */
const PATIENCE_MS = 2_000;
const AWAY_MS = 5_000;
let awayUntil = 0;

/** Until when credentials are taken for good, by user and credential. */
const trusted = new Map<string, Map<string, number>>();

/**
 * Refuses a credential that was revoked. While Postgres is away nothing can be revoked anew, and what was revoked
 * earlier cannot be seen: the credential passes then, and the log says so. Sockets are told apart by the conversation's
 * object, which remembers what it was told.
 *
 * @param isFresh asks Postgres in any case
 */
export async function unlessRevoked(
  db: Database,
  result: Authentication,
  { isFresh }: { isFresh: boolean },
): Promise<Authentication> {
  if (!result.ok || (!isFresh && isTrusted(result.identity)) || Date.now() < awayUntil) return result;
  try {
    if (await withPatience(isRevoked(db, result.identity))) return rejected("revoked");
    trust(result.identity);
  } catch (error) {
    awayUntil = Date.now() + AWAY_MS;
    console.error(JSON.stringify({ event: "revocation_unchecked", error: describeError(error) }));
  }
  return result;
}

async function withPatience<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("Postgres did not answer in time.")), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    if (timer !== null) clearTimeout(timer);
  }
}

/** Forgets that credentials of the user were good. */
export function distrust(userId: string): void {
  trusted.delete(userId);
}

const keyOf = ({ jti, issuedAtMs }: CredentialMarks): string => JSON.stringify([jti, issuedAtMs]);

function isTrusted(marks: CredentialMarks): boolean {
  return (trusted.get(marks.userId)?.get(keyOf(marks)) ?? 0) > Date.now();
}

function trust(marks: CredentialMarks): void {
  if (trusted.size >= TRUSTED_MAX) trusted.clear();
  const known = trusted.get(marks.userId) ?? new Map<string, number>();
  if (known.size >= TRUSTED_MAX) known.clear();
  trusted.set(marks.userId, known.set(keyOf(marks), Date.now() + TRUSTED_MS));
}
