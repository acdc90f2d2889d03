import type {
  Entry,
  FreshEntry,
  HeldEntry,
  Instant,
  LogEntry,
  OperationEntry,
  PostgresEntry,
  QuietEntry,
  Row,
  SeenEntry,
} from "./history.ts";
import type { Invariant } from "./rule.ts";

/** A defect that a service might have, as it would show in a history. */
export interface SeededBug {
  name: string;
  /** What it must be found as; it may break others, too. */
  violates: Invariant;
  /** Damages a right history. False if it holds nothing that this bug could damage; then it is left as it was. */
  damage(history: Specimen): boolean;
}

type Kind = Entry["kind"];
export type Of<K extends Kind> = Extract<Entry, { kind: K }>;

/** An operation with its two ends. */
export interface Pair {
  invoke: OperationEntry;
  end: OperationEntry;
}

/** A copy of a history, with what it takes to damage it. */
export class Specimen {
  readonly entries: Entry[];
  readonly #random: () => number;

  constructor(history: readonly Entry[], random: () => number) {
    this.entries = structuredClone([...history]);
    this.#random = random;
  }

  all<K extends Kind>(kind: K, where: (entry: Of<K>) => boolean = () => true): Array<Of<K>> {
    return this.entries.filter((entry): entry is Of<K> => entry.kind === kind && where(entry as Of<K>));
  }

  pick<T>(choices: readonly T[]): T | undefined {
    return choices[Math.floor(this.#random() * choices.length)];
  }

  one<K extends Kind>(kind: K, where?: (entry: Of<K>) => boolean): Of<K> | undefined {
    return this.pick(this.all(kind, where));
  }

  get quiet(): QuietEntry {
    const [quiet] = this.all("quiet");
    if (!quiet) throw new Error("The history has no end.");
    return quiet;
  }

  /** Operations of a kind that were acknowledged, or ended as told. */
  operations(op: OperationEntry["op"], phase: OperationEntry["phase"] = "ok"): Pair[] {
    const invokes = new Map(
      this.all("operation", (entry) => entry.phase === "invoke").map((entry) => [entry.operation, entry]),
    );
    return this.all("operation", (entry) => entry.op === op && entry.phase === phase).flatMap((end) => {
      const invoke = invokes.get(end.operation);
      return invoke ? [{ invoke, end }] : [];
    });
  }

  /** Conversations that were not deleted, in a random order. */
  get conversations(): string[] {
    return this.all("postgres")
      .map(({ conversation }) => conversation)
      .filter(
        (conversation) =>
          this.all("log", (log) => log.conversation === conversation && log.t > this.quiet.t).length > 0,
      )
      .sort(() => this.#random() - 0.5);
  }

  isAlive(conversation: string): boolean {
    return this.conversations.includes(conversation);
  }

  /** Epochs that anybody was told of. */
  epochs(conversation: string): Set<string> {
    const epochs = new Set(
      this.all("log", (log) => log.conversation === conversation).map(({ epoch }) => epoch),
    );
    for (const { epoch } of this.all("seen", (seen) => seen.conversation === conversation))
      if (epoch !== null) epochs.add(epoch);
    return epochs;
  }

  /** The log in the end. */
  log(conversation: string): LogEntry {
    return this.#only(this.all("log", (log) => log.conversation === conversation && log.t > this.quiet.t));
  }

  postgres(conversation: string): PostgresEntry {
    return this.#only(this.all("postgres", (entry) => entry.conversation === conversation));
  }

  /** What live clients of participants hold. */
  held(conversation: string): HeldEntry[] {
    return this.all("held", (entry) => entry.conversation === conversation && entry.live);
  }

  fresh(conversation: string): FreshEntry[] {
    return this.all("fresh", (entry) => entry.conversation === conversation && entry.found);
  }

  /** Every place where the end of a conversation is told. */
  dumps(conversation: string): Array<LogEntry | PostgresEntry | HeldEntry | FreshEntry> {
    return [
      this.log(conversation),
      this.postgres(conversation),
      ...this.held(conversation),
      ...this.fresh(conversation),
    ];
  }

  /** Every state of a message that anybody was told of, oldest first. */
  states(conversation: string, id: number): SeenEntry[] {
    const states = new Map<number, SeenEntry>();
    for (const seen of this.all("seen", (entry) => entry.conversation === conversation && entry.id === id))
      if (!states.has(seen.seq)) states.set(seen.seq, seen);
    return [...states.values()].sort((a, b) => a.seq - b.seq);
  }

  /** Whether nobody asked to add or remove the user: then they take part all the time, or never. */
  isSettled(conversation: string, user: string): boolean {
    return !this.all("operation").some(
      ({ op, target, conversation: other }) =>
        (op === "add" || op === "remove") && target === user && other === conversation,
    );
  }

  /** Removals after which their user was out for a while, and when somebody began to bring them back. */
  absences(): Array<{ conversation: string; user: string; from: Instant; until: Instant }> {
    return this.operations("remove").flatMap(({ invoke, end }) => {
      const { conversation, target: user = "" } = end;
      const additions = this.all(
        "operation",
        ({ op, target, conversation: other }) => op === "add" && target === user && other === conversation,
      );
      const isDisputed = additions.some(({ operation, phase, t }) => {
        if (phase !== "invoke" || t > end.t) return false;
        const ended = additions.find((other) => other.operation === operation && other.phase !== "invoke");
        return !(ended && ended.phase !== "info" && ended.t < invoke.t);
      });
      const later = additions.filter(({ phase, t }) => phase === "invoke" && t > end.t).map(({ t }) => t);
      const until = Math.min(this.quiet.t, ...later);
      return isDisputed ? [] : [{ conversation, user, from: end.t, until }];
    });
  }

  /** Puts an entry at a place in time; others keep theirs. */
  insert<E extends Exclude<Entry, Of<"run">>>(entry: Omit<E, "t">, after: Instant): Instant {
    const index = this.entries.findIndex((other) => other.kind !== "run" && other.t > after);
    const next = this.entries[index];
    const t = next && next.kind !== "run" ? after + (next.t - after) / 2 : after + 1;
    this.entries.splice(index < 0 ? this.entries.length : index, 0, { ...entry, t } as unknown as Entry);
    return t;
  }

  remove(entry: Entry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
  }

  /** Exchanges two ids wherever they are told. */
  exchange(conversation: string, a: number, b: number): void {
    const other = (id: number): number => (id === a ? b : id === b ? a : id);
    for (const entry of this.entries) {
      if (!("conversation" in entry) || entry.conversation !== conversation) continue;
      if (entry.kind === "operation" && entry.op !== "read" && entry.id !== undefined)
        entry.id = other(entry.id);
      if (entry.kind === "seen") entry.id = other(entry.id);
      if (!("rows" in entry)) continue;
      for (const row of entry.rows) row.id = other(row.id);
      entry.rows.sort((one, two) => one.id - two.id);
    }
  }

  #only<T>(found: readonly T[]): T {
    const [first] = found;
    if (first === undefined) throw new Error("The history lacks a dump.");
    return first;
  }
}

/** Takes a message out of a dump. */
export function drop(dump: { rows: Row[] }, id: number): void {
  dump.rows = dump.rows.filter((row) => row.id !== id);
}

/** Adds a message behind all others in a dump. */
export function append(dump: LogEntry | PostgresEntry | HeldEntry | FreshEntry, row: Row): void {
  dump.rows.push({ ...row });
  if ("head" in dump) dump.head = row.id;
  if ("seq" in dump) dump.seq = Math.max(dump.seq, row.seq);
  if ("last_message_id" in dump) dump.last_message_id = row.id;
}

/** Gives a message another state in a dump. False if the dump does not hold it. */
export function alter(dump: { rows: Row[] }, id: number, state: Partial<Row>): boolean {
  const row = dump.rows.find((other) => other.id === id);
  if (row) Object.assign(row, state);
  return row !== undefined;
}
