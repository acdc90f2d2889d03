import { type Conversation, finalRows, isEnded, lastWords } from "./facts.ts";
import type { FreshEntry, HeldEntry, Row } from "./history.ts";
import type { RuleFactory } from "./rule.ts";

/**
 * **I8 complete.** When all is quiet, a live client of a participant holds exactly the messages that are stored, in order
 * and without holes, from its first one to the head, and no command without an outcome. It holds none only where there
 * are none. Its seq is not behind the newest change.
 */
export const completeness: RuleFactory = (report) => ({
  end(conversation) {
    const { name, log } = conversation;
    if (!log || isEnded(conversation)) return;
    const stored = new Map(finalRows(conversation).map((row) => [row.id, row]));
    for (const held of membersOf(conversation)) {
      if (!held.live) continue;
      const told = (message: string): void =>
        report({ invariant: "I8", message: `${held.client} in ${name} ${message}` });
      const { rows, unsettled, last_message_id, seq } = held;
      if (unsettled > 0) told(`has ${unsettled} commands without an outcome.`);
      if (last_message_id !== log.head) told(`is at ${last_message_id}, the head is ${log.head}.`);
      if (seq < log.seq) told(`is at seq ${seq}, the newest change is ${log.seq}.`);
      let next = rows[0]?.id ?? 1;
      for (const row of rows) {
        const truth = stored.get(row.id);
        if (row.id !== next) told(`holds ${row.id} where ${next} is due.`);
        else if (!truth) told(`holds ${row.id}, which is not stored.`);
        else if (!isSame(row, truth)) told(`holds ${textOf(row)}; stored is ${textOf(truth)}.`);
        else {
          next += 1;
          continue;
        }
        return;
      }
      if (next !== log.head + 1) told(`holds messages up to ${next - 1}, the head is ${log.head}.`);
    }
  },
});

/**
 * **I13 live.** After the healing all comes to rest within the time stated: every operation has an end, every client of
 * a participant is live, and Postgres has the newest change that it does not refuse.
 */
export const liveness: RuleFactory = (report, facts) => {
  let isFirst = true;
  return {
    end(conversation) {
      const told = (message: string): void => report({ invariant: "I13", message });
      const { quiet, operations } = facts;
      if (isFirst && quiet) {
        const { reached, waited_ms, limit_ms } = quiet;
        if (!reached || waited_ms > limit_ms)
          told(`It did not come to rest within ${limit_ms} ms (waited ${waited_ms} ms).`);
        for (const { phase, asked } of operations.values())
          if (phase === "invoke") told(`${asked.client}'s ${asked.op} ${asked.operation} has no end.`);
      }
      isFirst = false;
      const { name, log, postgres } = conversation;
      if (isEnded(conversation) || !postgres || !log) return;
      for (const { live, client } of membersOf(conversation))
        if (!live) told(`${client} in ${name} is not live.`);
      const poison = new Set(postgres.poison);
      const due = log.rows.find(({ id, seq }) => seq > postgres.seq && !poison.has(id));
      if (due) told(`${name}: ${due.id} at seq ${due.seq} is not drained; Postgres is at ${postgres.seq}.`);
      if (postgres.seq > log.seq) told(`${name}: Postgres is at seq ${postgres.seq}, the log at ${log.seq}.`);
    },
  };
};

/**
 * **I15 state = events.** What a live client of a participant built from events equals a fresh read by the same user in
 * title, participants, head, and all messages that the client holds. Fresh reads and Postgres agree on title and
 * participants, and the title is one that was asked for last.
 */
export const state: RuleFactory = (report) => ({
  end(conversation) {
    const { name, postgres, fresh, renames } = conversation;
    if (isEnded(conversation) || !postgres) return;
    const told = (message: string): void => report({ invariant: "I15", message: `${name}: ${message}` });
    const participants = postgres.participants.map(({ user }) => user);
    const last = lastWords(renames);
    const isDecided = renames.some(({ phase }) => phase === "ok");
    if (isDecided && !last.some(({ asked }) => asked.title === postgres.title))
      told(`the title is ${postgres.title}, which was not asked for last.`);

    const freshOf = new Map<string, FreshEntry>();
    for (const entry of fresh) {
      if (!participants.includes(entry.user)) continue;
      freshOf.set(entry.user, entry);
      if (!entry.found) told(`${entry.user} takes part and cannot read it.`);
      else if (entry.title !== postgres.title) told(`${entry.user} reads the title ${entry.title}.`);
      else if (!isSameSet(entry.participants, participants))
        told(`${entry.user} reads other participants than Postgres has.`);
    }
    for (const held of membersOf(conversation)) {
      const read = freshOf.get(held.user);
      const difference = read?.found && held.live ? differenceOf(held, read) : null;
      if (difference) told(`${held.client} and a fresh read of ${held.user}'s differ in ${difference}.`);
    }
  },
});

/** What clients of participants hold. */
function membersOf({ held, postgres }: Conversation): HeldEntry[] {
  const participants = new Set(postgres?.participants.map(({ user }) => user));
  return held.filter(({ user }) => participants.has(user));
}

function differenceOf(held: HeldEntry, fresh: FreshEntry): string | null {
  if (held.title !== fresh.title) return "the title";
  if (!isSameSet(held.participants, fresh.participants)) return "participants";
  if (held.last_message_id !== fresh.last_message_id) return "the head";
  const start = held.rows[0]?.id ?? fresh.last_message_id + 1;
  const overlap = fresh.rows.filter(({ id }) => id >= start);
  if (overlap.length !== held.rows.length) return "the number of messages";
  const other = held.rows.findIndex((row, index) => {
    const read = overlap[index];
    return !read || !isSame(row, read);
  });
  return other < 0 ? null : `message ${held.rows[other]?.id}`;
}

const isSame = (a: Row, b: Row): boolean =>
  a.id === b.id && a.sender === b.sender && a.temp_id === b.temp_id && a.seq === b.seq && a.hash === b.hash;

const isSameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && new Set([...a, ...b]).size === a.length;

const textOf = ({ id, sender, temp_id, seq, hash }: Row): string =>
  `${id} as ${sender}'s ${temp_id} at ${seq}: ${hash}`;
