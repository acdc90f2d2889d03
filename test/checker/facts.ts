import type {
  Entry,
  FreshEntry,
  HeldEntry,
  Instant,
  ListedEntry,
  LogEntry,
  OperationEntry,
  PostgresEntry,
  QuietEntry,
  Row,
  RunEntry,
  SeenEntry,
} from "./history.ts";

/** Something that a user asked for, as far as it is known by now. */
export interface Operation {
  /** Its `invoke`. */
  readonly asked: OperationEntry;
  phase: OperationEntry["phase"];
  /** Infinity while it has no end. */
  endedAt: Instant;
  /** The message; of a `send` known when it was acknowledged. */
  id: number | null;
  /** The change it made, where an `ok` told it. */
  seq: number | null;
  /** Somebody saw what it says, and no other operation explains that. */
  isSeen: boolean;
}

/** Everything asked for under one (conversation, sender, temp_id). */
export interface Send {
  readonly sender: string;
  readonly temp_id: string;
  readonly operations: Operation[];
  /** It was said to be on the disk of the device that sent it. */
  isKept: boolean;
}

/** What was asked of one conversation, and what was found of it in the end. */
export interface Conversation {
  readonly name: string;
  /** By {@link sendKey}. */
  readonly sends: Map<string, Send>;
  /** The same by {@link sayingKey}, and with them the changes that system messages tell of. */
  readonly sayings: Map<string, Operation[]>;
  /** Edits and deletes by message. */
  readonly changes: Map<number, Operation[]>;
  /** Additions and removals by the user they are about. */
  readonly memberships: Map<string, Operation[]>;
  readonly renames: Operation[];
  readonly ends: Operation[];
  /** In the order in which they were first met. */
  readonly epochs: Set<string>;
  /** The following five were recorded when all was quiet. */
  log: LogEntry | null;
  postgres: PostgresEntry | null;
  readonly held: HeldEntry[];
  readonly fresh: FreshEntry[];
  readonly listed: ListedEntry[];
}

export const sendKey = (sender: string, temp_id: string): string => `${sender}\n${temp_id}`;

const sayingKey = (sender: string, hash: string): string => `${sender}\n${hash}`;

/** When it was acknowledged; Infinity if it was not, so that nothing comes after it. */
export const okAt = ({ phase, endedAt }: Operation): Instant =>
  phase === "ok" ? endedAt : Number.POSITIVE_INFINITY;

export const isAcknowledged = ({ phase }: Operation): boolean => phase === "ok";

/** Unless it failed for certain: what nobody answered may still happen, at any time after it was asked for. */
export const mayHappen = ({ phase }: Operation): boolean => phase !== "fail";

/**
 * Operations after which none of the others happened for certain: those acknowledged that did not end before another
 * acknowledged one was asked for, and all without an answer. One of them had the last word.
 */
export function lastWords(operations: readonly Operation[]): Operation[] {
  const happened = operations.filter(isAcknowledged);
  const latest = Math.max(...happened.map(({ asked }) => asked.t));
  return operations.filter(
    (operation) => mayHappen(operation) && (!isAcknowledged(operation) || operation.endedAt > latest),
  );
}

/**
 * What may have brought a message into a state: the deletions of it, or the edits that say this, and what its sender
 * sent or changed saying this, under this temp_id where it is told.
 */
export function causesOf(conversation: Conversation, state: Omit<Row, "seq">): Operation[] {
  const { id, sender, temp_id, hash } = state;
  const causes: Operation[] = [];
  for (const change of conversation.changes.get(id) ?? []) {
    const says = change.asked.op === "delete" ? null : change.asked.hash;
    if (says === hash) causes.push(change);
  }
  if (hash === null) return causes;
  for (const send of conversation.sayings.get(sayingKey(sender, hash)) ?? [])
    if (temp_id === null || send.asked.temp_id === temp_id) causes.push(send);
  return causes;
}

/** The first moment at which a message can have been in this state: when it was asked for. Null if nobody did. */
export function possibleFrom(conversation: Conversation, state: Omit<Row, "seq">): Instant | null {
  let first: Instant | null = null;
  for (const { asked } of causesOf(conversation, state))
    if (first === null || asked.t < first) first = asked.t;
  return first;
}

/**
 * From when on it is certain that something was on its way out of the service: the moment it left, or what came before
 * it: the request or connection that brought it, and what it tells of.
 */
export function leftAfter(
  entry: { t: Instant; at?: SeenEntry["at"]; asked: Instant | null },
  possible: Instant | null = null,
): Instant {
  if (entry.at === "server") return entry.t;
  return Math.max(entry.asked ?? Number.NEGATIVE_INFINITY, possible ?? Number.NEGATIVE_INFINITY);
}

/**
 * Whether the conversation was deleted, as far as that can be told: nothing of it needs to be kept then. Where nobody
 * answered a deletion, it is told by what was found.
 */
export function isEnded({ ends, log }: Conversation): boolean {
  return ends.some(isAcknowledged) || (ends.some(mayHappen) && log === null);
}

/** The messages in the end: of the log, and of Postgres where the log does not reach. */
export function finalRows({ log, postgres }: Conversation): Row[] {
  const older = postgres?.rows.filter(({ id }) => log === null || id < log.floor) ?? [];
  return [...older, ...(log?.rows.filter(({ id }) => id >= log.floor) ?? [])];
}

/** The last item of which it holds; -1 if it holds of none. It holds of all before that one. */
export function lastIndexWhere<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Reads a history once and keeps what the rules ask for. */
export class Facts {
  run: RunEntry | null = null;
  quiet: QuietEntry | null = null;
  readonly conversations = new Map<string, Conversation>();
  readonly operations = new Map<string, Operation>();
  /** What makes the history itself unusable. */
  readonly defects: string[] = [];
  readonly firedFaults = new Set<string>();
  readonly faultsByName: Record<string, number> = {};
  entries = 0;
  seen = 0;
  faults = 0;
  crashes = 0;
  /** Operations of different clients were under way at the same time. */
  hasOverlap = false;
  #lastAt: Instant = Number.NEGATIVE_INFINITY;
  #isOrdered = true;
  #open = 0;
  readonly #openByClient = new Map<string, number>();

  conversation(name: string): Conversation {
    const known = this.conversations.get(name);
    if (known) return known;
    const conversation: Conversation = {
      name,
      sends: new Map(),
      sayings: new Map(),
      changes: new Map(),
      memberships: new Map(),
      renames: [],
      ends: [],
      epochs: new Set(),
      log: null,
      postgres: null,
      held: [],
      fresh: [],
      listed: [],
    };
    this.conversations.set(name, conversation);
    return conversation;
  }

  take(entry: Entry): void {
    this.entries += 1;
    if (entry.kind === "run") {
      if (this.run) this.defects.push("It holds more than one run.");
      this.run = entry;
      return;
    }
    if (!(entry.t > this.#lastAt) && this.#isOrdered) {
      this.#isOrdered = false;
      this.defects.push(`It is out of order at t ${entry.t}.`);
    }
    this.#lastAt = entry.t;
    switch (entry.kind) {
      case "operation":
        if (entry.phase === "invoke") this.#invoke(entry);
        else this.#end(entry);
        break;
      case "seen":
        this.seen += 1;
        if (entry.epoch !== null) this.conversation(entry.conversation).epochs.add(entry.epoch);
        break;
      case "fault":
        if (entry.phase === "healed") break;
        this.faults += 1;
        this.firedFaults.add(entry.fault);
        this.faultsByName[entry.name] = (this.faultsByName[entry.name] ?? 0) + 1;
        break;
      case "crash":
        this.crashes += 1;
        break;
      case "quiet":
        if (this.quiet) this.defects.push("It is quiet more than once.");
        this.quiet = entry;
        break;
      case "kept": {
        const { sends } = this.conversation(entry.conversation);
        const send = sends.get(sendKey(entry.user, entry.temp_id));
        if (send) send.isKept = entry.kept;
        else this.defects.push(`${entry.temp_id} was kept before it was sent.`);
        break;
      }
      case "log": {
        const conversation = this.conversation(entry.conversation);
        conversation.epochs.add(entry.epoch);
        if (this.quiet) conversation.log = entry;
        break;
      }
      case "postgres":
        this.conversation(entry.conversation).postgres = entry;
        break;
      case "held":
        this.conversation(entry.conversation).held.push(entry);
        break;
      case "fresh":
        this.conversation(entry.conversation).fresh.push(entry);
        break;
      case "listed":
        this.conversation(entry.conversation).listed.push(entry);
        break;
      default:
        this.conversation(entry.conversation);
    }
  }

  #invoke(asked: OperationEntry): void {
    if (this.operations.has(asked.operation)) {
      this.defects.push(`The operation ${asked.operation} begins twice.`);
      return;
    }
    const operation: Operation = {
      asked,
      phase: "invoke",
      endedAt: Number.POSITIVE_INFINITY,
      id: asked.id ?? null,
      seq: null,
      isSeen: false,
    };
    this.operations.set(asked.operation, operation);
    this.#enter(this.conversation(asked.conversation), operation);
    const openHere = this.#openByClient.get(asked.client) ?? 0;
    if (this.#open > openHere) this.hasOverlap = true;
    this.#open += 1;
    this.#openByClient.set(asked.client, openHere + 1);
  }

  #enter(conversation: Conversation, operation: Operation): void {
    const { op, user: sender, temp_id = "", hash, id = 0, target = "" } = operation.asked;
    // What is said by a send, or by the system about a change.
    if (hash !== undefined && op !== "edit") append(conversation.sayings, sayingKey(sender, hash), operation);
    switch (op) {
      case "send": {
        const key = sendKey(sender, temp_id);
        const send = conversation.sends.get(key);
        if (send) send.operations.push(operation);
        else conversation.sends.set(key, { sender, temp_id, operations: [operation], isKept: false });
        break;
      }
      case "edit":
      case "delete":
        append(conversation.changes, id, operation);
        break;
      case "add":
      case "remove":
        append(conversation.memberships, target, operation);
        break;
      case "rename":
        conversation.renames.push(operation);
        break;
      case "end":
        conversation.ends.push(operation);
        break;
      case "read":
        break;
      default:
        op satisfies never;
    }
  }

  #end(end: OperationEntry): void {
    const operation = this.operations.get(end.operation);
    if (operation?.phase !== "invoke") {
      this.defects.push(`The operation ${end.operation} ends without having begun, or twice.`);
      return;
    }
    operation.phase = end.phase;
    operation.endedAt = end.t;
    operation.id = end.id ?? operation.id;
    operation.seq = end.seq ?? null;
    this.#open -= 1;
    const { client } = operation.asked;
    this.#openByClient.set(client, (this.#openByClient.get(client) ?? 1) - 1);
  }
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
