import {
  type Conversation,
  finalRows,
  isAcknowledged,
  isEnded,
  lastIndexWhere,
  mayHappen,
  type Operation,
  okAt,
} from "./facts.ts";
import type { CountEntry, Instant, PositionEntry } from "./history.ts";
import type { RuleFactory } from "./rule.ts";

/** What one client was told of one reader. */
interface Stream {
  /** When its reader began anew. */
  since: Instant;
  /** Positions that were higher than all before them, in the order of their telling. */
  highest: Array<{ t: Instant; last_read_id: number }>;
  /** Through the request or connection that told last. */
  asked: Instant | null;
  highestThere: number;
}

/** Additions and removals of one reader. */
interface Membership {
  open: Set<Operation>;
  /** When the last of them ended. */
  since: Instant;
}

/**
 * **I9 read.** What one client is told of a reader never falls: not within one connection, and not from one telling to
 * another that was asked for after it. It never passes the head told with it. In the end the position of a participant
 * in Postgres is at least the greatest that they had acknowledged, and at most the greatest that they asked for. Their
 * own sends count as reads up to them, unless Postgres refused them.
 *
 * Who is removed and added begins anew. So tellings are compared only if none of that was under way since the earlier
 * one was asked for; in the end only what was asked for after the last of it counts as acknowledged; and who was added
 * may begin at any position. Positions and counts are judged apart: a reply may hold both, of different moments.
 */
export const readPositions: RuleFactory = (report) => {
  const streams = new Map<string, Stream>();
  const memberships = new Map<string, Membership>();
  const reads = new Map<string, Operation[]>();

  const judge = (entry: PositionEntry | CountEntry, reader: string): void => {
    const { kind, t, asked, client, conversation, last_read_id, head } = entry;
    const told = (message: string): void =>
      report({
        invariant: "I9",
        message: `${client} in ${conversation} was told that ${reader} read ${message}.`,
        t,
      });
    if (head !== null && last_read_id > head) told(`${last_read_id} of ${head}`);
    const membership = memberships.get(`${conversation}\n${reader}`);
    const key = `${kind}\n${client}\n${conversation}\n${reader}`;
    const since = membership?.since ?? Number.NEGATIVE_INFINITY;
    // While it may begin anew, nothing is compared and nothing remembered.
    if (membership && (membership.open.size > 0 || !((asked ?? Number.NEGATIVE_INFINITY) > since))) return;
    let stream = streams.get(key);
    if (stream?.since !== since) {
      stream = { since, highest: [], asked: null, highestThere: 0 };
      streams.set(key, stream);
    }
    if (asked !== null) {
      const before = stream.highest[lastIndexWhere(stream.highest, (earlier) => earlier.t < asked)];
      const highest = Math.max(before?.last_read_id ?? 0, stream.asked === asked ? stream.highestThere : 0);
      if (highest > last_read_id) told(`${highest}, and then ${last_read_id}`);
      stream.highestThere =
        stream.asked === asked ? Math.max(stream.highestThere, last_read_id) : last_read_id;
      stream.asked = asked;
    }
    if (last_read_id > (stream.highest.at(-1)?.last_read_id ?? -1)) stream.highest.push({ t, last_read_id });
  };

  return {
    operation({ op, phase, t, conversation, user, target = "" }, operation) {
      if (op === "read" && phase === "invoke") {
        const key = `${conversation}\n${user}`;
        const list = reads.get(key) ?? [];
        reads.set(key, list);
        list.push(operation);
      }
      if (op !== "add" && op !== "remove") return;
      const key = `${conversation}\n${target}`;
      const membership = memberships.get(key) ?? { open: new Set(), since: Number.NEGATIVE_INFINITY };
      memberships.set(key, membership);
      if (phase === "invoke") membership.open.add(operation);
      else if (phase !== "info") {
        membership.open.delete(operation);
        membership.since = t;
      }
    },

    position(entry) {
      judge(entry, entry.reader);
    },

    count(entry) {
      judge(entry, entry.user);
    },

    end(conversation) {
      const { name, postgres } = conversation;
      if (!postgres || isEnded(conversation)) return;
      const poison = new Set(postgres.poison);
      const asked = askedPositions(conversation);
      for (const { user, last_read_id } of postgres.participants) {
        const told = (message: string): void =>
          report({ invariant: "I9", message: `${name}: ${user} ${message}` });
        const mine = [...(reads.get(`${name}\n${user}`) ?? []), ...(asked.sends.get(user) ?? [])];
        const changes = conversation.memberships.get(user)?.filter(mayHappen) ?? [];
        const since = changes.reduce(
          (latest, change) => Math.max(latest, okAt(change)),
          Number.NEGATIVE_INFINITY,
        );
        const least = highestId(
          mine.filter((read) => isAcknowledged(read) && read.asked.t > since && !poison.has(read.id ?? 0)),
        );
        const wasAdded = changes.some((change) => change.asked.op === "add");
        const most = wasAdded
          ? Math.max(postgres.head, conversation.log?.head ?? 0)
          : Math.max(
              asked.own.get(user) ?? 0,
              highestId(mine.filter((read) => mayHappen(read) && read.asked.op === "read")),
            );
        if (last_read_id < least) told(`has read ${last_read_id} in the end, and had ${least} acknowledged.`);
        if (last_read_id > most) told(`has read ${last_read_id} in the end, and asked for ${most} at most.`);
      }
    },
  };
};

/** The sends of each user, and the newest of them that is stored. */
function askedPositions(conversation: Conversation): {
  sends: Map<string, Operation[]>;
  own: Map<string, number>;
} {
  const sends = new Map<string, Operation[]>();
  for (const { sender, operations } of conversation.sends.values()) {
    const list = sends.get(sender) ?? [];
    sends.set(sender, list);
    list.push(...operations);
  }
  const own = new Map<string, number>();
  for (const { id, sender, temp_id } of finalRows(conversation))
    if (temp_id !== null) own.set(sender, Math.max(id, own.get(sender) ?? 0));
  return { sends, own };
}

const highestId = (operations: readonly Operation[]): number =>
  operations.reduce((highest, { id }) => Math.max(highest, id ?? 0), 0);

/** A message that was deleted in the end, and between when that can have begun to count. */
interface Deletion {
  id: number;
  sender: string;
  seq: number;
  /** Asked for first. */
  from: Instant;
  /** Known to somebody first. */
  until: Instant;
}

/**
 * **I10 unread.** Each count is the number of messages of others after `last_read_id` up to the head it names that are not
 * deleted, system messages apart: at the seq it names exactly. Where it names none, or the conversation had several epochs, a deletion counts if
 * somebody knew of it before the count was asked for, does not count if it was asked for later than the count was told,
 * and may or may not count otherwise.
 *
 * Sound because ids are never taken back within an epoch and a deletion is the last change of a message, so the messages
 * in the end tell how they were at any seq.
 */
export const unreadCounts: RuleFactory = (report) => {
  const counts = new Map<string, CountEntry[]>();
  /** When somebody first saw that a message was deleted, by conversation and id. */
  const seenDeleted = new Map<string, Instant>();

  return {
    count(entry) {
      const list = counts.get(entry.conversation) ?? [];
      counts.set(entry.conversation, list);
      list.push(entry);
    },

    seen({ hash, conversation, id, t }) {
      const key = `${conversation}\n${id}`;
      if (hash === null && !seenDeleted.has(key)) seenDeleted.set(key, t);
    },

    end(conversation) {
      const { name, epochs } = conversation;
      const told = counts.get(name);
      if (!told || !conversation.log || isEnded(conversation)) return;
      const rows = finalRows(conversation)
        .filter(({ temp_id }) => temp_id !== null)
        .sort((a, b) => a.id - b.id);
      const ids = rows.map(({ id }) => id);
      const own = new Map<string, number[]>();
      for (const { id, sender } of rows) {
        const list = own.get(sender) ?? [];
        own.set(sender, list);
        list.push(id);
      }
      const deletions = rows
        .filter(({ hash }) => hash === null)
        .map(({ id, sender, seq }): Deletion => {
          const deletes = conversation.changes.get(id)?.filter(({ asked }) => asked.op === "delete") ?? [];
          const from = Math.min(
            Number.POSITIVE_INFINITY,
            ...deletes.filter(mayHappen).map(({ asked }) => asked.t),
          );
          const seen = seenDeleted.get(`${name}\n${id}`) ?? Number.POSITIVE_INFINITY;
          return { id, sender, seq, from, until: Math.min(seen, ...deletes.map(okAt)) };
        });

      for (const { t, asked, client, user, head, seq, last_read_id, unread } of told) {
        let most = between(ids, last_read_id, head) - between(own.get(user) ?? [], last_read_id, head);
        let least = most;
        const first = lastIndexWhere(deletions, ({ id }) => id <= last_read_id) + 1;
        for (let index = first; index < deletions.length; index += 1) {
          const deletion = deletions[index];
          if (!deletion || deletion.id > head) break;
          if (deletion.sender === user) continue;
          if (seq !== null && epochs.size === 1) {
            if (deletion.seq > seq) continue;
            most -= 1;
          } else {
            if (deletion.from > t) continue;
            if (asked !== null && deletion.until < asked) most -= 1;
          }
          least -= 1;
        }
        if (unread >= least && unread <= most) continue;
        const right = least === most ? `${least}` : `${least} to ${most}`;
        report({
          invariant: "I10",
          message: `${client} in ${name} was told of ${unread} unread after ${last_read_id} up to ${head}; there are ${right}.`,
          t,
        });
      }
    },
  };
};

/** How many of the ascending ids are after `after` and not after `last`. */
const between = (ids: readonly number[], after: number, last: number): number =>
  Math.max(0, lastIndexWhere(ids, (id) => id <= last) - lastIndexWhere(ids, (id) => id <= after));
