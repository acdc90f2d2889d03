import { type Conversation, isAcknowledged, type Operation, sendKey } from "./facts.ts";
import type { ShownEntry } from "./history.ts";
import type { RuleFactory, Violation } from "./rule.ts";

/** What one client tells its user of one conversation. */
interface Screen {
  start: number | null;
  end: number | null;
  announced: number | null;
  epoch: string | null;
  /** It began anew since the last announcement: what came by that is not announced. */
  hasStartedOver: boolean;
  user: string;
}

/**
 * **I6 client order.** A client shows one run of consecutive ids. Its end never falls while the conversation has one
 * epoch, except to nothing. What it announces rises, and by one, unless the client began anew in between: it showed
 * nothing before, the start of what it shows rose, it came into another epoch, or its user was removed or added.
 *
 * Sound because a client that begins anew knows nothing of the ids before its page, and must not announce that page.
 */
export const clientOrder: RuleFactory = (report, facts) => {
  const screens = new Map<string, Screen>();
  /** They are none if the conversation turns out to have several epochs. */
  const falls = new Map<string, Violation[]>();

  const screenOf = ({
    client,
    user,
    conversation,
  }: Pick<ShownEntry, "client" | "user" | "conversation">): Screen => {
    const key = `${client}\n${conversation}`;
    let screen = screens.get(key);
    if (!screen) {
      screen = { start: null, end: null, announced: null, epoch: null, hasStartedOver: true, user };
      screens.set(key, screen);
    }
    return screen;
  };

  return {
    seen(entry) {
      if (entry.epoch === null) return;
      const screen = screenOf(entry);
      if (screen.epoch !== entry.epoch) screen.hasStartedOver = true;
      screen.epoch = entry.epoch;
    },

    operation({ op, target, conversation }, { phase }) {
      if ((op !== "add" && op !== "remove") || phase === "fail" || target === undefined) return;
      for (const [key, screen] of screens)
        if (screen.user === target && key.endsWith(`\n${conversation}`)) screen.hasStartedOver = true;
    },

    shown(entry) {
      const { t, client, conversation, ranges } = entry;
      const told = (message: string): Violation => ({
        invariant: "I6",
        message: `${client} in ${conversation} ${message}`,
        t,
      });
      const screen = screenOf(entry);
      const [range] = ranges;
      if (ranges.length > 1 || (range && range[0] > range[1])) {
        report(told(`shows ${JSON.stringify(ranges)}.`));
        return;
      }
      const [start, end] = range ?? [null, null];
      if (end !== null && screen.end !== null && end < screen.end) {
        const list = falls.get(conversation) ?? [];
        falls.set(conversation, list);
        list.push(told(`showed messages up to ${screen.end}, and then up to ${end}.`));
      }
      if (screen.start === null || start === null || start > screen.start) screen.hasStartedOver = true;
      screen.start = start;
      screen.end = end;
    },

    announced(entry) {
      const { t, client, conversation, id } = entry;
      const screen = screenOf(entry);
      const last = screen.announced;
      const told = (message: string): void =>
        report({ invariant: "I6", message: `${client} in ${conversation} ${message}`, t });
      if (last !== null && id <= last) told(`announced ${id} after ${last}.`);
      else if (last !== null && id !== last + 1 && !screen.hasStartedOver)
        told(`announced ${id} after ${last}, and none between.`);
      screen.announced = Math.max(id, last ?? 0);
      screen.hasStartedOver = false;
    },

    end({ name }) {
      const { epochs } = facts.conversation(name);
      if (epochs.size < 2) for (const fall of falls.get(name) ?? []) report(fall);
    },
  };
};

/**
 * **I7 real time.** If one send was acknowledged before another was invoked in the same conversation, its id is smaller.
 * Of the sends of one client in one conversation, those that were acknowledged have ids in the order of their calls.
 *
 * Sends that were asked for more than once are left out of the second: each attempt may be the one that was carried out.
 */
export const realTime: RuleFactory = (report) => {
  /** The greatest id acknowledged so far, by conversation. */
  const heads = new Map<string, number>();
  /** That of the moment before a send was first invoked. */
  const before = new Map<string, number>();

  return {
    operation({ op, phase, conversation, user, temp_id = "" }, operation) {
      if (op !== "send") return;
      const key = `${conversation}\n${sendKey(user, temp_id)}`;
      const head = heads.get(conversation) ?? 0;
      if (phase === "invoke" && !before.has(key)) before.set(key, head);
      if (phase === "ok" && operation.id !== null) heads.set(conversation, Math.max(head, operation.id));
    },

    end(conversation) {
      const { name, sends } = conversation;
      const ids = idsOf(conversation);
      const told = (message: string): void => report({ invariant: "I7", message: `${name}: ${message}` });
      const queues = new Map<string, Operation[]>();
      for (const [key, { sender, temp_id, operations }] of sends) {
        const id = ids.get(key);
        const head = before.get(`${name}\n${key}`) ?? 0;
        if (id !== undefined && id <= head)
          told(`${sender}'s ${temp_id} is ${id}, although ${head} was acknowledged before it was sent.`);
        const [operation] = operations;
        if (!operation || operations.length > 1 || !isAcknowledged(operation) || operation.id === null)
          continue;
        const queue = queues.get(operation.asked.client) ?? [];
        queues.set(operation.asked.client, queue);
        queue.push(operation);
      }
      for (const [client, queue] of queues) checkQueue(queue, (message) => told(`${client} ${message}`));
    },
  };
};

function checkQueue(queue: readonly Operation[], report: (message: string) => void): void {
  let last: Operation | undefined;
  for (const operation of queue) {
    if (last && (operation.id ?? 0) <= (last.id ?? 0))
      report(
        `sent ${last.asked.temp_id} before ${operation.asked.temp_id}; they are ${last.id} and ${operation.id}.`,
      );
    last = operation;
  }
}

/** The id of each send that has one, by key: as acknowledged, or as stored in the end. */
function idsOf({ sends, postgres, log }: Conversation): Map<string, number> {
  const ids = new Map<string, number>();
  for (const row of [...(postgres?.rows ?? []), ...(log?.rows ?? [])])
    if (row.temp_id !== null) ids.set(sendKey(row.sender, row.temp_id), row.id);
  for (const [key, { operations }] of sends)
    for (const operation of operations)
      if (isAcknowledged(operation) && operation.id !== null) ids.set(key, operation.id);
  return ids;
}
