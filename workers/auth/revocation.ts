import { type Database, describeError } from "../../db/client.ts";
import { areRevoked, type CredentialMarks } from "../../db/revocations.ts";
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
 * @param isStrict lets nothing pass that was not checked
 * @throws {Error} when `isStrict` and Postgres cannot be asked
 */
export async function unlessRevoked(
  db: Database,
  result: Authentication,
  { isFresh, isStrict = false }: { isFresh: boolean; isStrict?: boolean },
): Promise<Authentication> {
  if (!result.ok || (!isFresh && isTrusted(result.identity))) return result;
  if (!isStrict && Date.now() < awayUntil) return result;
  try {
    if (await within(PATIENCE_MS, askTogether(db, result.identity))) return rejected("revoked");
    trust(result.identity);
  } catch (error) {
    if (isStrict) throw error;
    awayUntil = Date.now() + AWAY_MS;
    console.error(JSON.stringify({ event: "revocation_unchecked", error: describeError(error) }));
  }
  return result;
}

/** Checks that will share the next query. */
interface Group {
  marks: CredentialMarks[];
  answers: Promise<boolean[]>;
}

/** After that, whoever waits for another request's query makes one of its own: that request may have been cancelled. */
const SHARED_PATIENCE_MS = 500;
let gathering: Group | null = null;
let underWay: Promise<unknown> = Promise.resolve();

/** What comes while a query is under way shares the next one: a thousand clients come back at once after a deploy. */
async function askTogether(db: Database, marks: CredentialMarks): Promise<boolean> {
  const group = gathering;
  if (!group) {
    const own: CredentialMarks[] = [marks];
    gathering = { marks: own, answers: askNext(db, own) };
    return (await gathering.answers)[0] ?? false;
  }
  const place = group.marks.push(marks) - 1;
  try {
    return (await within(SHARED_PATIENCE_MS, group.answers))[place] ?? false;
  } catch {
    if (gathering === group) gathering = null;
    return (await areRevoked(db, [marks]))[0] ?? false;
  }
}

async function askNext(db: Database, marks: CredentialMarks[]): Promise<boolean[]> {
  await within(SHARED_PATIENCE_MS, underWay).catch(() => undefined);
  gathering = null;
  const answers = areRevoked(db, marks);
  underWay = answers.catch(() => undefined);
  return answers;
}

async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("Postgres did not answer in time.")), ms);
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
