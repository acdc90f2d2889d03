import { alter, append, drop, type SeededBug, type Specimen } from "../damage.ts";
import type { OperationEntry, Row } from "../history.ts";

/** A conversation, and a message of it that fits and that Postgres never refused. */
function message(
  history: Specimen,
  fits: (row: Row, conversation: string) => boolean,
): { conversation: string; row: Row } | null {
  for (const conversation of history.conversations) {
    const { rows, poison } = history.postgres(conversation);
    const row = history.pick(rows.filter((one) => !poison.includes(one.id) && fits(one, conversation)));
    if (row) return { conversation, row };
  }
  return null;
}

const isAcknowledged = (history: Specimen, conversation: string, id: number): boolean =>
  history.operations("send").some(({ end }) => end.conversation === conversation && end.id === id);

/** A message whose newest state is an acknowledged edit, and what it said first. */
function edited(
  history: Specimen,
): { conversation: string; row: Row; before: { seq: number; hash: string } } | null {
  const edits = history.operations("edit");
  const found = message(history, (row, conversation) =>
    edits.some(({ end }) => end.conversation === conversation && end.id === row.id && end.seq === row.seq),
  );
  const [first] = found ? history.states(found.conversation, found.row.id) : [];
  if (!found || !first || first.hash === null || first.hash === found.row.hash) return null;
  return { ...found, before: { seq: first.seq, hash: first.hash } };
}

/** A message whose deletion was acknowledged, and what it said before. */
function deleted(
  history: Specimen,
): { conversation: string; row: Row; before: { seq: number; hash: string } } | null {
  const deletes = history.operations("delete");
  const found = message(
    history,
    ({ id, hash }, conversation) =>
      hash === null &&
      deletes.some(({ end }) => end.conversation === conversation && end.id === id) &&
      history.states(conversation, id).some((state) => state.hash !== null),
  );
  const state =
    found && history.states(found.conversation, found.row.id).findLast(({ hash }) => hash !== null);
  if (!found || !state || state.hash === null) return null;
  return { ...found, before: { seq: state.seq, hash: state.hash } };
}

/** What goes wrong where messages are stored. */
export const storageBugs: readonly SeededBug[] = [
  {
    name: "a message that is on the disk of its device is never sent",
    violates: "I1",
    damage(history) {
      const lost = history.pick(
        history.operations("send", "info").filter(({ invoke: { user, conversation, temp_id } }) => {
          const isRemoved = history
            .all("operation", (entry) => entry.op === "remove" && entry.target === user)
            .some((entry) => entry.conversation === conversation);
          const isOver = !history.conversations.includes(conversation);
          const rows = isOver ? [] : history.postgres(conversation).rows;
          return !isRemoved && !isOver && !rows.some((row) => row.sender === user && row.temp_id === temp_id);
        }),
      );
      if (!lost) return false;
      const { client, user, conversation, temp_id = "", t } = lost.invoke;
      const index = history.entries.indexOf(lost.invoke);
      history.entries.splice(index + 1, 0, {
        kind: "kept",
        t: t + 0.5,
        client,
        user,
        conversation,
        temp_id,
        kept: true,
      });
      return true;
    },
  },
  {
    name: "Postgres loses an acknowledged message",
    violates: "I1",
    damage(history) {
      const found = message(history, ({ id }, conversation) => isAcknowledged(history, conversation, id));
      if (!found) return false;
      drop(history.postgres(found.conversation), found.row.id);
      return true;
    },
  },
  {
    name: "the newest acknowledged message is lost everywhere",
    violates: "I1",
    damage(history) {
      for (const conversation of history.conversations) {
        const { head } = history.log(conversation);
        if (head < 2 || !isAcknowledged(history, conversation, head)) continue;
        for (const dump of history.dumps(conversation)) {
          drop(dump, head);
          if ("head" in dump) dump.head = head - 1;
          if ("last_message_id" in dump) dump.last_message_id = head - 1;
        }
        return true;
      }
      return false;
    },
  },
  {
    name: "a message says in Postgres what another one says",
    violates: "I1",
    damage(history) {
      const found = message(history, ({ hash }) => hash !== null);
      const other = message(history, ({ hash }) => hash !== null && hash !== found?.row.hash);
      return (
        !!found &&
        !!other &&
        alter(history.postgres(found.conversation), found.row.id, { hash: other.row.hash })
      );
    },
  },
  {
    name: "two messages have each other's place in Postgres",
    violates: "I1",
    damage(history) {
      const found = message(history, ({ id }, conversation) => isAcknowledged(history, conversation, id));
      if (!found) return false;
      const { rows } = history.postgres(found.conversation);
      const next = rows.find(({ id }) => id === found.row.id + 1);
      if (!next) return false;
      [found.row.id, next.id] = [next.id, found.row.id];
      rows.sort((a, b) => a.id - b.id);
      return true;
    },
  },
  {
    name: "a late drain writes over an edit",
    violates: "I1",
    damage(history) {
      const found = edited(history);
      return !!found && alter(history.postgres(found.conversation), found.row.id, found.before);
    },
  },
  {
    name: "an acknowledged edit is forgotten everywhere",
    violates: "I1",
    damage(history) {
      const found = edited(history);
      if (!found) return false;
      for (const dump of history.dumps(found.conversation)) alter(dump, found.row.id, found.before);
      return true;
    },
  },
  {
    name: "an earlier edit wins over a later one",
    violates: "I1",
    damage(history) {
      const edits = history.operations("edit");
      const found = message(history, (row, conversation) => {
        const own = edits.filter(({ end }) => end.conversation === conversation && end.id === row.id);
        const last = own.find(({ end }) => end.seq === row.seq);
        return !!last && own.some(({ end, invoke }) => end.t < last.invoke.t && invoke.hash !== row.hash);
      });
      if (!found) return false;
      const { conversation, row } = found;
      const earlier = edits.find(
        ({ end, invoke }) =>
          end.conversation === conversation && end.id === row.id && invoke.hash !== row.hash,
      );
      for (const dump of history.dumps(conversation))
        alter(dump, row.id, { hash: earlier?.invoke.hash ?? null });
      return true;
    },
  },
  {
    name: "a message is deleted that nobody deleted",
    violates: "I1",
    damage(history) {
      const deletes = history.all("operation", ({ op }) => op === "delete");
      const found = message(
        history,
        ({ id, hash }, conversation) =>
          hash !== null && !deletes.some((other) => other.conversation === conversation && other.id === id),
      );
      if (!found) return false;
      for (const dump of history.dumps(found.conversation)) alter(dump, found.row.id, { hash: null });
      return true;
    },
  },
  {
    name: "an undecided message is stored twice",
    violates: "I2",
    damage(history) {
      const undecided = history.operations("send", "info");
      const found = message(history, (row, conversation) =>
        undecided.some(
          ({ end }) =>
            end.conversation === conversation && end.user === row.sender && end.temp_id === row.temp_id,
        ),
      );
      if (!found) return false;
      const { head, seq } = history.log(found.conversation);
      for (const dump of history.dumps(found.conversation))
        append(dump, { ...found.row, id: head + 1, seq: seq + 1 });
      return true;
    },
  },
  {
    name: "a repeated send is stored again, and acknowledged with the new id",
    violates: "I3",
    damage(history) {
      const sends = history.operations("send").filter(({ end }) => history.isAlive(end.conversation));
      const send = history.pick(sends);
      if (!send) return false;
      const { conversation, user: sender, temp_id = "" } = send.end;
      const { head, seq } = history.log(conversation);
      const row = { id: head + 1, seq: seq + 1, sender, temp_id, hash: send.invoke.hash ?? null };
      for (const dump of history.dumps(conversation)) append(dump, row);
      const before = history.quiet.t - 1;
      const again = { operation: "again", client: `${send.end.client} again` };
      const t = history.insert<OperationEntry>({ ...send.invoke, ...again }, before);
      history.insert<OperationEntry>({ ...send.end, ...again, id: row.id, seq: row.seq }, t);
      return true;
    },
  },
  {
    name: "Postgres holds an acknowledged message twice",
    violates: "I3",
    damage(history) {
      const found = message(history, ({ id }, conversation) => isAcknowledged(history, conversation, id));
      if (!found) return false;
      const postgres = history.postgres(found.conversation);
      append(postgres, { ...found.row, id: postgres.head + 1 });
      return true;
    },
  },
  {
    name: "the log holds a message twice",
    violates: "I3",
    damage(history) {
      const found = message(history, ({ id }, conversation) => id >= history.log(conversation).floor);
      if (!found) return false;
      const log = history.log(found.conversation);
      append(log, { ...found.row, id: log.head + 1 });
      return true;
    },
  },
  {
    name: "ids have a gap everywhere",
    violates: "I4",
    damage(history) {
      const found = message(history, ({ id }, conversation) => id < history.log(conversation).head);
      if (!found) return false;
      for (const dump of history.dumps(found.conversation)) drop(dump, found.row.id);
      return true;
    },
  },
  {
    name: "the log has a hole after a crash",
    violates: "I4",
    damage(history) {
      const log = history.one("log", ({ rows, t }) => rows.length > 2 && t < history.quiet.t);
      if (!log) return false;
      drop(log, log.head - 1);
      return true;
    },
  },
  {
    name: "the head in Postgres runs ahead",
    violates: "I4",
    damage(history) {
      const [conversation] = history.conversations;
      if (conversation === undefined) return false;
      history.postgres(conversation).head = history.log(conversation).head + 1;
      return true;
    },
  },
  {
    name: "a message that Postgres refuses is set aside without a trace",
    violates: "I4",
    damage(history) {
      for (const conversation of history.conversations) {
        const postgres = history.postgres(conversation);
        const id = postgres.poison.find((one) => !postgres.rows.some((row) => row.id === one));
        if (id === undefined) continue;
        postgres.poison = postgres.poison.filter((one) => one !== id);
        return true;
      }
      return false;
    },
  },
  {
    name: "a crash takes what somebody has seen",
    violates: "I12",
    damage(history) {
      const seen = history.all("seen");
      const log = history.one(
        "log",
        ({ conversation, epoch, head, t, rows }) =>
          rows.length > 0 &&
          seen.some(
            (one) => one.conversation === conversation && one.epoch === epoch && one.id === head && one.t < t,
          ),
      );
      if (!log) return false;
      drop(log, log.head);
      log.head -= 1;
      return true;
    },
  },
  {
    name: "a crash takes what was acknowledged",
    violates: "I12",
    damage(history) {
      const sends = history.operations("send");
      const log = history.one(
        "log",
        ({ conversation, head, t, rows }) =>
          rows.length > 0 &&
          history.epochs(conversation).size === 1 &&
          sends.some(({ end }) => end.conversation === conversation && end.id === head && end.t < t),
      );
      if (!log) return false;
      const { conversation, head, t } = log;
      // Nobody but the sender knew of it yet.
      for (const seen of history.all("seen", (one) => one.conversation === conversation && one.id === head))
        if (seen.t < t) history.remove(seen);
      drop(log, head);
      log.head -= 1;
      return true;
    },
  },
  {
    name: "a crash takes an edit that somebody has seen",
    violates: "I12",
    damage(history) {
      for (const log of history.all("log", ({ t }) => t < history.quiet.t)) {
        for (const row of log.rows) {
          const states = history.states(log.conversation, row.id);
          const told = states.find(
            ({ seq, t, epoch }) => seq === row.seq && t < log.t && epoch === log.epoch,
          );
          const before = states.find(({ seq }) => seq < row.seq);
          if (!told || !before) continue;
          Object.assign(row, { seq: before.seq, hash: before.hash });
          return true;
        }
      }
      return false;
    },
  },
  {
    name: "the drain stands still",
    violates: "I13",
    damage(history) {
      for (const conversation of history.conversations) {
        const postgres = history.postgres(conversation);
        const [cursor] = postgres.rows
          .map(({ seq }) => seq)
          .sort((a, b) => b - a)
          .slice(3);
        if (cursor === undefined || postgres.poison.length > 0) continue;
        postgres.rows = postgres.rows.flatMap((row) => {
          const drained = history.states(conversation, row.id).findLast(({ seq }) => seq <= cursor);
          if (row.seq <= cursor) return [row];
          return drained ? [{ ...row, seq: drained.seq, hash: drained.hash }] : [];
        });
        postgres.seq = cursor;
        postgres.head = postgres.rows.at(-1)?.id ?? 0;
        return true;
      }
      return false;
    },
  },
  {
    name: "the drain forgets a late edit",
    violates: "I13",
    damage(history) {
      const found = message(
        history,
        ({ seq, id }, conversation) =>
          seq === history.postgres(conversation).seq &&
          (history.states(conversation, id)[0]?.seq ?? seq) < seq,
      );
      if (!found) return false;
      const { conversation, row } = found;
      const postgres = history.postgres(conversation);
      const [before] = history.states(conversation, row.id);
      Object.assign(row, { seq: before?.seq, hash: before?.hash });
      postgres.seq = Math.max(...postgres.rows.map(({ seq }) => seq));
      return true;
    },
  },
  {
    name: "Postgres keeps what a deleted message said",
    violates: "I14",
    damage(history) {
      const found = deleted(history);
      return (
        !!found && alter(history.postgres(found.conversation), found.row.id, { hash: found.before.hash })
      );
    },
  },
  {
    name: "the log keeps what a deleted message said",
    violates: "I14",
    damage(history) {
      const found = deleted(history);
      return !!found && alter(history.log(found.conversation), found.row.id, { hash: found.before.hash });
    },
  },
  {
    name: "a client keeps what a deleted message said",
    violates: "I14",
    damage(history) {
      const found = deleted(history);
      const held =
        found &&
        history.held(found.conversation).find(({ rows }) => rows.some(({ id }) => id === found.row.id));
      return !!held && alter(held, found.row.id, found.before);
    },
  },
];
