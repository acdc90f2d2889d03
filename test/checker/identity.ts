import type { Conversation, Operation } from "./facts.ts";
import { causesOf, isAcknowledged, type Send, sendKey } from "./facts.ts";
import type { Hash, Row } from "./history.ts";
import type { RuleFactory } from "./rule.ts";

/**
 * **I2 no invention.** Each state of a message that anybody saw, or that any dump holds, was asked for before: the
 * message by its sender under its temp_id, what it says by that send or an edit of it, its deletion by a deletion. What
 * failed for certain is nowhere. What nobody answered is one message or none.
 *
 * Sound because an operation is recorded before anything of it leaves its client.
 *
 * **I3 idempotent.** All acknowledgements of one (conversation, sender, temp_id) name one id; in every dump and for
 * every observer of one epoch it is one message.
 */
export const origin: RuleFactory = (report) => {
  /** Where each send was found, by epoch; "" where it was not told. */
  const places = new Map<Send, Map<string, Set<number>>>();

  const trace = (conversation: Conversation, state: Row, epoch: string, t: number | undefined): void => {
    const { id, sender, temp_id } = state;
    const told = (message: string): void =>
      report({
        invariant: "I2",
        message: `${conversation.name}: ${id} ${message}`,
        ...(t === undefined ? {} : { t }),
      });
    const send = temp_id === null ? undefined : conversation.sends.get(sendKey(sender, temp_id));
    if (send) note(places, send, epoch, id);
    else if (temp_id !== null) {
      told(`is said to be ${sender}'s ${temp_id}, which ${sender} never sent.`);
      return;
    }
    const causes = causesOf(conversation, state);
    if (causes.every(({ phase }) => phase === "fail"))
      told(causes.length === 0 ? "says what nobody asked for." : "says what was refused.");
    const [cause] = causes;
    if (cause && causes.length === 1) cause.isSeen = true;
  };

  return {
    seen(entry, conversation) {
      trace(conversation, entry, entry.epoch ?? "", entry.t);
    },

    log(entry, conversation) {
      checkUnique(entry.rows, (message) =>
        report({ invariant: "I3", message: `${entry.conversation}: in the log ${message}`, t: entry.t }),
      );
      for (const row of entry.rows) trace(conversation, row, entry.epoch, entry.t);
    },

    end(conversation) {
      const { name, postgres, held, fresh, sends } = conversation;
      const told = (invariant: "I2" | "I3", message: string): void =>
        report({ invariant, message: `${name}: ${message}` });
      if (postgres) checkUnique(postgres.rows, (message) => told("I3", `in Postgres ${message}`));
      for (const { rows } of [postgres ?? { rows: [] }, ...held, ...fresh])
        for (const row of rows) trace(conversation, row, "", undefined);

      for (const send of sends.values()) {
        const { sender, temp_id, operations } = send;
        const acknowledged = new Set(operations.filter(isAcknowledged).flatMap(({ id }) => id ?? []));
        if (acknowledged.size > 1)
          told("I3", `${sender}'s ${temp_id} was acknowledged as ${[...acknowledged].join(" and ")}.`);
        const ids = conflictOf(places.get(send));
        if (ids) told(acknowledged.size > 0 ? "I3" : "I2", `${sender}'s ${temp_id} is ${ids.join(" and ")}.`);
        const [id] = acknowledged;
        if (operations.every(({ phase }) => phase === "fail") && places.has(send))
          told("I2", `${sender}'s ${temp_id} failed, and was seen.`);
        const found = places.get(send);
        if (id !== undefined && found && !ids && ![...found.values()].some((known) => known.has(id)))
          told("I3", `${sender}'s ${temp_id} was acknowledged as ${id}, and is found as another.`);
      }
      for (const { phase, isSeen, asked } of operationsOf(conversation)) {
        if (phase === "fail" && isSeen)
          told("I2", `${asked.operation} failed, and what it asked for was seen.`);
      }
    },
  };
};

/** What is known of one id in one epoch. */
interface Known {
  sender: string;
  temp_id: string | null;
  hashes: Map<number, Hash>;
}

/**
 * **I5 agreement.** (conversation, epoch, id) names one (sender, temp_id), and with a seq one body, for every observer
 * and every dump at all times. What does not tell its epoch agrees with one of them.
 */
export const agreement: RuleFactory = (report) => {
  const conversations = new Map<string, Map<string, Map<number, Known>>>();
  /** Of channels that do not tell the epoch, each variant once. */
  const loose = new Map<string, Map<number, Known[]>>();

  const learn = (conversation: string, epoch: string, row: Row, t: number): void => {
    const epochs = child(conversations, conversation, () => new Map<string, Map<number, Known>>());
    const ids = child(epochs, epoch, () => new Map<number, Known>());
    const known = ids.get(row.id);
    if (!known) ids.set(row.id, knownOf(row));
    else if (!join(known, row))
      report({ invariant: "I5", message: `${conversation}: ${conflict(known, row)}`, t });
  };
  const learnLoose = (conversation: string, row: Row): void => {
    const ids = child(loose, conversation, () => new Map<number, Known[]>());
    const variants = child(ids, row.id, () => []);
    if (!variants.some((known) => join(known, row))) variants.push(knownOf(row));
  };

  return {
    seen(entry) {
      if (entry.epoch === null) learnLoose(entry.conversation, entry);
      else learn(entry.conversation, entry.epoch, entry, entry.t);
    },

    log({ conversation, epoch, rows, t }) {
      for (const row of rows) learn(conversation, epoch, row, t);
    },

    end({ name, postgres, held, fresh }) {
      for (const { rows } of [postgres ?? { rows: [] }, ...held, ...fresh])
        for (const row of rows) learnLoose(name, row);
      const epochs = [...(conversations.get(name)?.values() ?? [])];
      for (const [id, variants] of loose.get(name) ?? []) {
        const known = epochs.flatMap((ids) => ids.get(id) ?? []);
        const bad =
          known.length === 0
            ? variants[1]
            : variants.find((variant) => !known.some((other) => isCompatible(other, variant)));
        if (bad) {
          const other = known[0] ?? variants[0] ?? bad;
          report({
            invariant: "I5",
            message: `${name}: ${id} is ${textOf(other)} to one, ${textOf(bad)} to another.`,
          });
        }
      }
    },
  };
};

const knownOf = ({ sender, temp_id, seq, hash }: Row): Known => ({
  sender,
  temp_id,
  hashes: new Map([[seq, hash]]),
});

/** Adds what a row says, unless it contradicts. */
function join(known: Known, { sender, temp_id, seq, hash }: Row): boolean {
  if (known.sender !== sender || !isSameKey(known.temp_id, temp_id)) return false;
  const other = known.hashes.get(seq);
  if (other === undefined) known.hashes.set(seq, hash);
  else if (other !== hash) return false;
  known.temp_id ??= temp_id;
  return true;
}

const isCompatible = (a: Known, b: Known): boolean =>
  a.sender === b.sender &&
  isSameKey(a.temp_id, b.temp_id) &&
  [...b.hashes].every(([seq, hash]) => !a.hashes.has(seq) || a.hashes.get(seq) === hash);

/** Some channels do not tell it. */
const isSameKey = (a: string | null, b: string | null): boolean => a === null || b === null || a === b;

const textOf = ({ sender, temp_id, hashes }: Known): string =>
  `${sender}'s ${temp_id} (${[...hashes].map(([seq, hash]) => `${seq}: ${hash}`).join(", ")})`;

const conflict = (known: Known, row: Row): string =>
  `${row.id} is ${textOf(known)} to one, ${textOf(knownOf(row))} to another.`;

function checkUnique(rows: readonly Row[], report: (message: string) => void): void {
  const ids = new Map<string, number>();
  for (const { id, sender, temp_id } of rows) {
    if (temp_id === null) continue;
    const key = sendKey(sender, temp_id);
    const other = ids.get(key);
    if (other !== undefined && other !== id) report(`${sender}'s ${temp_id} is ${other} and ${id}.`);
    ids.set(key, id);
  }
}

function note(places: Map<Send, Map<string, Set<number>>>, send: Send, epoch: string, id: number): void {
  const epochs = child(places, send, () => new Map<string, Set<number>>());
  child(epochs, epoch, () => new Set<number>()).add(id);
}

/** Ids that cannot all be one message: several in one epoch, or one that no epoch has. */
function conflictOf(epochs: Map<string, Set<number>> | undefined): number[] | null {
  if (!epochs) return null;
  const named = new Set<number>();
  for (const [epoch, ids] of epochs) {
    if (ids.size > 1) return [...ids];
    if (epoch !== "") for (const id of ids) named.add(id);
  }
  for (const id of epochs.get("") ?? []) if (named.size > 0 && !named.has(id)) return [...named, id];
  return null;
}

function* operationsOf({ sends, changes }: Conversation): Iterable<Operation> {
  for (const { operations } of sends.values()) yield* operations;
  for (const operations of changes.values()) yield* operations;
}

function child<K, V>(parents: Map<K, V>, key: K, make: () => V): V {
  let value = parents.get(key);
  if (value === undefined) {
    value = make();
    parents.set(key, value);
  }
  return value;
}
