import {
  type Conversation,
  causesOf,
  finalRows,
  isAcknowledged,
  isEnded,
  lastWords,
  mayHappen,
  sendKey,
} from "./facts.ts";
import type { LogEntry, Row, SeenEntry } from "./history.ts";
import type { RuleFactory } from "./rule.ts";

/**
 * **I1 durable.** In the end each acknowledged send is a row in Postgres with its id, sender and temp_id; one that
 * Postgres refuses is a row of the log. Each row says what was asked for last:
 * - null only if a deletion was asked for, and always if one was acknowledged;
 * - at the seq of an acknowledged edit, what that edit says; never a state older than an acknowledged change;
 * - otherwise what an edit says that is not certainly older than another acknowledged one; what was sent, if no edit
 *   was acknowledged.
 *
 * A message that was said to be on the disk of its device is stored as well, unless it failed, or its sender may have
 * been removed.
 *
 * Sound because only an answer that came before a question orders two edits; of all others each may be the last.
 * The seq that a send was answered with is not used: a repeated send is answered with the newest state.
 *
 * **I4 gapless.** In the end the ids in Postgres are 1 to N, but for those it refuses, and N is the head of the log.
 * Every dump of the log is without holes from its floor to its head.
 */
export const durability: RuleFactory = (report) => ({
  log(entry) {
    checkLogIds(entry, (message) => report({ invariant: "I4", message, t: entry.t }));
  },

  end(conversation) {
    const { log, postgres, name } = conversation;
    if (!postgres || isEnded(conversation)) return;
    const poison = new Set(postgres.poison);
    const stored = new Map(postgres.rows.map((row) => [row.id, row]));
    const logged = new Map(log?.rows.map((row) => [row.id, row]));
    const lost = (message: string): void => report({ invariant: "I1", message: `${name}: ${message}` });

    for (const send of conversation.sends.values()) {
      const { sender, temp_id } = send;
      for (const { id } of send.operations.filter(isAcknowledged)) {
        if (id === null) continue;
        const row = stored.get(id) ?? (poison.has(id) ? logged.get(id) : undefined);
        if (!row) lost(`${sender}'s ${temp_id} was acknowledged as ${id}, which is not stored.`);
        else if (row.sender !== sender || row.temp_id !== temp_id)
          lost(`${sender}'s ${temp_id} was acknowledged as ${id}, which is ${row.sender}'s ${row.temp_id}.`);
      }
    }
    const arrived = new Set(
      finalRows(conversation).map(({ sender, temp_id }) => sendKey(sender, temp_id ?? "")),
    );
    for (const { sender, temp_id, operations, isKept } of conversation.sends.values()) {
      const mayBeOut = conversation.memberships
        .get(sender)
        ?.some((change) => change.asked.op === "remove" && mayHappen(change));
      if (!isKept || mayBeOut || operations.some(({ phase }) => phase === "fail")) continue;
      if (!arrived.has(sendKey(sender, temp_id)))
        lost(`${sender}'s ${temp_id} was on the disk of its device, and is not stored.`);
    }
    for (const row of postgres.rows) {
      const truth = logged.get(row.id);
      // What Postgres refused may be an edit: then it keeps the state before.
      if (truth && poison.has(row.id) && row.seq < truth.seq) continue;
      const fault = lastWordFault(conversation, row);
      if (fault) lost(`${row.id} in Postgres ${fault}.`);
      else if (truth && (truth.hash !== row.hash || truth.seq !== row.seq))
        lost(`${row.id} is another state in Postgres than in the log.`);
    }
    for (const id of poison) {
      const row = logged.get(id);
      const fault = row && lastWordFault(conversation, row);
      if (fault) lost(`${id} in the log ${fault}.`);
    }
    checkPostgresIds(conversation, (message) => report({ invariant: "I4", message: `${name}: ${message}` }));
  },
});

/**
 * **I12 persisted first.** Each dump of the log holds what anybody saw before it in the same epoch, in the same or a
 * later state, and what was acknowledged before it, if it is not below the floor. Where a channel does not tell the
 * epoch, or for an acknowledgement, this is decided while only one epoch is known.
 *
 * Sound because the log is never cut except at its floor, and seq only grows.
 */
export const persistence: RuleFactory = (report) => {
  /** The newest of each message that anybody knew, by conversation and epoch; "" where it was not told. */
  const known = new Map<string, Map<number, Row>>();
  const knownIn = (conversation: string, epoch: string): Map<number, Row> => {
    const key = `${conversation}\n${epoch}`;
    let rows = known.get(key);
    if (!rows) {
      rows = new Map();
      known.set(key, rows);
    }
    return rows;
  };
  const learn = (rows: Map<number, Row>, row: Row): void => {
    const newest = rows.get(row.id);
    if (!newest || newest.seq < row.seq) rows.set(row.id, row);
  };

  return {
    seen(entry: SeenEntry) {
      learn(knownIn(entry.conversation, entry.epoch ?? ""), entry);
    },

    operation({ phase, op, conversation, user }, { id, seq, asked }) {
      if (phase !== "ok" || id === null) return;
      const rows = knownIn(conversation, "");
      const newest = rows.get(id);
      if (op === "send") {
        // The seq of a repeated send may be that of a later edit: also then somebody knew of it.
        learn(rows, {
          id,
          seq: seq ?? 0,
          sender: user,
          temp_id: asked.temp_id ?? null,
          hash: asked.hash ?? null,
        });
      } else if ((op === "edit" || op === "delete") && seq !== null && newest && newest.seq < seq) {
        rows.set(id, { ...newest, seq });
      }
    },

    log(entry, conversation) {
      const rows = new Map(entry.rows.map((row) => [row.id, row]));
      const lost = (message: string): void =>
        report({ invariant: "I12", message: `${entry.conversation}: ${message}`, t: entry.t });
      const epochs = conversation.epochs.size === 1 ? [entry.epoch, ""] : [entry.epoch];
      for (const epoch of epochs) {
        for (const newest of knownIn(entry.conversation, epoch).values()) {
          const { id, seq, sender, temp_id } = newest;
          if (id < entry.floor) continue;
          const row = rows.get(id);
          if (!row) lost(`${id} was known to somebody and is not in the log.`);
          else if (row.seq < seq) lost(`${id} was known at seq ${seq}; the log has it at ${row.seq}.`);
          else if (row.sender !== sender || (temp_id !== null && row.temp_id !== temp_id))
            lost(
              `${id} was known as ${sender}'s ${temp_id}; in the log it is ${row.sender}'s ${row.temp_id}.`,
            );
        }
      }
    },
  };
};

/** Why a stored message cannot be in this state in the end; null if it can. */
function lastWordFault(conversation: Conversation, { id, seq, sender, temp_id, hash }: Row): string | null {
  const changes = conversation.changes.get(id) ?? [];
  const edits = changes.filter(({ asked }) => asked.op === "edit");
  const deletes = changes.filter(({ asked }) => asked.op === "delete");
  const newest = Math.max(0, ...changes.filter(isAcknowledged).map((change) => change.seq ?? 0));
  if (newest > seq) return `is at seq ${seq}, although a change at ${newest} was acknowledged`;
  if (hash === null) return deletes.some(mayHappen) ? null : "is deleted, which nobody asked for";
  if (deletes.some(isAcknowledged)) return "still says something, although its deletion was acknowledged";
  const now = edits.filter((edit) => isAcknowledged(edit) && edit.seq === seq);
  const isEdited = edits.some(isAcknowledged);
  const send = temp_id === null || isEdited ? undefined : conversation.sends.get(sendKey(sender, temp_id));
  const said = temp_id === null ? causesOf(conversation, { id, sender, temp_id, hash }) : [];
  const last = now.length > 0 ? now : [...lastWords(edits), ...(send?.operations ?? []), ...said];
  return last.some(({ asked }) => asked.hash === hash) ? null : "does not say what was asked for last";
}

function checkLogIds({ conversation, floor, head, rows }: LogEntry, report: (message: string) => void): void {
  let next = Math.max(1, floor);
  for (const { id } of rows) {
    if (id < floor) continue;
    if (id !== next) {
      report(`${conversation}: the log has ${id} where ${next} is due.`);
      return;
    }
    next += 1;
  }
  if (next !== Math.max(head + 1, floor, 1))
    report(`${conversation}: the log ends at ${next - 1}, its head is ${head}.`);
}

function checkPostgresIds({ postgres, log }: Conversation, report: (message: string) => void): void {
  if (!postgres) return;
  const poison = new Set(postgres.poison);
  let next = 1;
  for (const { id } of postgres.rows) {
    // Deleted later, what was refused for its content was stored all the same.
    while (next < id && poison.has(next)) next += 1;
    if (id !== next) {
      report(`Postgres has ${id} where ${next} is due.`);
      return;
    }
    next += 1;
  }
  const last = next - 1;
  while (poison.has(next)) next += 1;
  // What was refused does not move the head of Postgres.
  if (postgres.head < last || postgres.head > next - 1)
    report(`Postgres ends at ${last}, its head is ${postgres.head}.`);
  if (log && log.head !== next - 1)
    report(`Postgres ends at ${next - 1}, the head of the log is ${log.head}.`);
}
