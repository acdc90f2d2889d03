import { alter, drop, type SeededBug, type Specimen } from "../damage.ts";
import type { CountEntry, FreshEntry, HeldEntry, Row } from "../history.ts";

/** What a live client holds of a conversation with some messages. */
function screen(history: Specimen, least = 3): HeldEntry | undefined {
  const [conversation] = history.conversations;
  return conversation === undefined
    ? undefined
    : history.pick(history.held(conversation).filter(({ rows }) => rows.length >= least));
}

function freshRead(history: Specimen): FreshEntry | undefined {
  const [conversation] = history.conversations;
  return conversation === undefined ? undefined : history.pick(history.fresh(conversation));
}

/** A message in a dump that changed once, with what it said before. */
function changed(
  history: Specimen,
  dump: HeldEntry | FreshEntry,
  from = 0,
): { id: number; before: Partial<Row> } | null {
  for (const { id, seq, hash } of dump.rows) {
    const [before] = history.states(dump.conversation, id);
    if (id >= from && hash !== null && before && before.seq < seq && before.hash !== hash)
      return { id, before: { seq: before.seq, hash: before.hash } };
  }
  return null;
}

/** A count that tells its seq, in a conversation of one epoch. */
const exactCount = (
  history: Specimen,
  where: (count: CountEntry) => boolean = () => true,
): CountEntry | undefined =>
  history.one(
    "count",
    (count) =>
      count.seq !== null &&
      history.isAlive(count.conversation) &&
      history.epochs(count.conversation).size === 1 &&
      where(count),
  );

/** What goes wrong with positions, counts, and what clients hold in the end. */
export const stateBugs: readonly SeededBug[] = [
  {
    name: "a client misses the newest message",
    violates: "I8",
    damage(history) {
      const held = screen(history);
      if (!held) return false;
      drop(held, held.last_message_id);
      held.last_message_id -= 1;
      return true;
    },
  },
  {
    name: "a client misses one in the middle",
    violates: "I8",
    damage(history) {
      const held = screen(history);
      if (!held) return false;
      drop(held, held.last_message_id - 1);
      return true;
    },
  },
  {
    name: "a client missed an edit",
    violates: "I8",
    damage(history) {
      for (const conversation of history.conversations) {
        for (const held of history.held(conversation)) {
          const found = changed(history, held);
          if (found) return alter(held, found.id, found.before);
        }
      }
      return false;
    },
  },
  {
    name: "a client holds a message twice",
    violates: "I8",
    damage(history) {
      const held = screen(history);
      const [first] = held?.rows ?? [];
      if (!held || !first) return false;
      held.rows.unshift({ ...first });
      return true;
    },
  },
  {
    name: "a live client is empty",
    violates: "I8",
    damage(history) {
      const held = screen(history);
      if (!held) return false;
      held.rows = [];
      return true;
    },
  },
  {
    name: "a client is behind in seq without knowing",
    violates: "I8",
    damage(history) {
      const held = screen(history);
      if (!held) return false;
      held.seq = history.log(held.conversation).seq - 1;
      return true;
    },
  },
  {
    name: "a command never leaves the queue",
    violates: "I8",
    damage(history) {
      const held = screen(history);
      if (!held) return false;
      held.unsettled = 1;
      return true;
    },
  },
  {
    name: "a read position falls",
    violates: "I9",
    damage(history) {
      const positions = history.all("position");
      for (const later of positions) {
        const { client, conversation, reader, asked } = later;
        if (asked === null || !history.isSettled(conversation, reader)) continue;
        const before = positions.find(
          (one) =>
            one.client === client &&
            one.conversation === conversation &&
            one.reader === reader &&
            one.t < asked &&
            one.last_read_id > 0,
        );
        if (!before) continue;
        later.last_read_id = before.last_read_id - 1;
        return true;
      }
      return false;
    },
  },
  {
    name: "a read position falls for somebody who was added again",
    violates: "I9",
    damage(history) {
      for (const { end } of history.operations("add")) {
        const { conversation, target } = end;
        const changes = history.all(
          "operation",
          ({ op, target: other, conversation: place }) =>
            (op === "add" || op === "remove") && other === target && place === conversation,
        );
        if (changes.some(({ t, phase }) => t > end.t || phase === "info")) continue;
        const told = history.all(
          "position",
          (one) => one.conversation === conversation && one.reader === target && (one.asked ?? 0) > end.t,
        );
        for (const later of told) {
          const before = told.find(
            ({ client, t, last_read_id }) =>
              client === later.client && t < (later.asked ?? 0) && last_read_id > 0,
          );
          if (!before) continue;
          later.last_read_id = before.last_read_id - 1;
          return true;
        }
      }
      return false;
    },
  },
  {
    name: "a read position passes the head",
    violates: "I9",
    damage(history) {
      const position = history.one("position", ({ head }) => head !== null);
      if (!position) return false;
      position.last_read_id = (position.head ?? 0) + 1;
      return true;
    },
  },
  {
    name: "an acknowledged read is forgotten",
    violates: "I9",
    damage(history) {
      for (const { end } of [...history.operations("read"), ...history.operations("send")]) {
        const { conversation, user } = end;
        if (!history.isAlive(conversation) || !history.isSettled(conversation, user)) continue;
        const { participants, poison } = history.postgres(conversation);
        const reader = participants.find((one) => one.user === user);
        if (!reader || poison.includes(end.id ?? 0) || (end.id ?? 0) === 0) continue;
        reader.last_read_id = (end.id ?? 0) - 1;
        return true;
      }
      return false;
    },
  },
  {
    name: "somebody has read what they never read",
    violates: "I9",
    damage(history) {
      for (const conversation of history.conversations) {
        const { head, participants } = history.postgres(conversation);
        const reader = participants.find(
          ({ user, last_read_id }) => last_read_id < head && history.isSettled(conversation, user),
        );
        const asked = history.all("operation", ({ op, user }) => op === "read" && user === reader?.user);
        if (!reader || asked.some(({ id = 0 }) => id >= head)) continue;
        reader.last_read_id = head;
        return true;
      }
      return false;
    },
  },
  {
    name: "an unread count is off by one",
    violates: "I10",
    damage(history) {
      const count = exactCount(history);
      if (!count) return false;
      count.unread += 1;
      return true;
    },
  },
  {
    name: "an unread count misses one",
    violates: "I10",
    damage(history) {
      const count = exactCount(history, ({ unread }) => unread > 0);
      if (!count) return false;
      count.unread -= 1;
      return true;
    },
  },
  {
    name: "an unread count holds deleted messages",
    violates: "I10",
    damage(history) {
      const deleted = history.conversations.flatMap((conversation) =>
        history
          .log(conversation)
          .rows.flatMap((row) => (row.hash === null ? [{ ...row, conversation }] : [])),
      );
      const isUnread = (count: CountEntry, row: Row & { conversation: string }): boolean =>
        row.conversation === count.conversation &&
        row.id > count.last_read_id &&
        row.id <= count.head &&
        row.sender !== count.user &&
        row.seq <= (count.seq ?? 0);
      const count = exactCount(history, (one) => deleted.some((row) => isUnread(one, row)));
      if (!count) return false;
      count.unread += deleted.filter((row) => isUnread(count, row)).length;
      return true;
    },
  },
  {
    name: "an unread count holds what was read and what one wrote",
    violates: "I10",
    damage(history) {
      const count = history.one(
        "count",
        ({ conversation, last_read_id, seq }) =>
          seq === null && last_read_id > 0 && history.isAlive(conversation),
      );
      if (!count) return false;
      count.unread = count.head;
      return true;
    },
  },
  {
    name: "it never comes to rest",
    violates: "I13",
    damage(history) {
      history.quiet.reached = false;
      return true;
    },
  },
  {
    name: "it comes to rest too late",
    violates: "I13",
    damage(history) {
      history.quiet.waited_ms = history.quiet.limit_ms + 1;
      return true;
    },
  },
  {
    name: "an operation never ends",
    violates: "I13",
    damage(history) {
      const end = history.one("operation", ({ phase }) => phase === "ok");
      if (!end) return false;
      history.remove(end);
      return true;
    },
  },
  {
    name: "a client never comes back",
    violates: "I13",
    damage(history) {
      const held = screen(history);
      if (!held) return false;
      held.live = false;
      return true;
    },
  },
  {
    name: "a client missed a change of the title",
    violates: "I15",
    damage(history) {
      const held = screen(history, 0);
      if (!held) return false;
      held.title = `${held.title}, as it was`;
      return true;
    },
  },
  {
    name: "a client missed that somebody left",
    violates: "I15",
    damage(history) {
      const held = screen(history, 0);
      if (!held) return false;
      held.participants.push("eve");
      return true;
    },
  },
  {
    name: "a client missed that somebody came",
    violates: "I15",
    damage(history) {
      const held = screen(history, 0);
      if (!held) return false;
      held.participants = held.participants.slice(1);
      return true;
    },
  },
  {
    name: "a fresh page is stale",
    violates: "I15",
    damage(history) {
      for (const conversation of history.conversations) {
        for (const fresh of history.fresh(conversation)) {
          const mine = history.held(conversation).filter(({ user }) => user === fresh.user);
          const start = Math.min(...mine.map(({ rows }) => rows[0]?.id ?? Number.POSITIVE_INFINITY));
          const found = changed(history, fresh, start);
          if (found) return alter(fresh, found.id, found.before);
        }
      }
      return false;
    },
  },
  {
    name: "a fresh read is behind the head",
    violates: "I15",
    damage(history) {
      const fresh = freshRead(history);
      const isLive = history.held(fresh?.conversation ?? "").some(({ user }) => user === fresh?.user);
      if (!fresh || !isLive || fresh.rows.length === 0) return false;
      fresh.rows.pop();
      fresh.last_message_id -= 1;
      return true;
    },
  },
  {
    name: "an acknowledged title is forgotten",
    violates: "I15",
    damage(history) {
      for (const { end } of history.operations("rename")) {
        if (!history.isAlive(end.conversation)) continue;
        for (const dump of history.dumps(end.conversation)) if ("title" in dump) dump.title = null;
        return true;
      }
      return false;
    },
  },
  {
    name: "a participant cannot read what they take part in",
    violates: "I15",
    damage(history) {
      const fresh = freshRead(history);
      if (!fresh) return false;
      Object.assign(fresh, { found: false, rows: [], participants: [], title: null, last_message_id: 0 });
      return true;
    },
  },
];
