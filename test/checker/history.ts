/*
 * The history of a run: what was asked of a chat service, what it answered, what everybody saw, and what was stored in
 * the end. One JSON object a line, in the order in which one recorder learned of it. Whoever writes a history knows
 * the service; whoever judges one knows only this page.
 */

/** One line of a history. */
export type Entry =
  | RunEntry
  | OperationEntry
  | SeenEntry
  | ShownEntry
  | AnnouncedEntry
  | KeptEntry
  | PositionEntry
  | CountEntry
  | FaultEntry
  | CrashEntry
  | QuietEntry
  | LogEntry
  | PostgresEntry
  | HeldEntry
  | FreshEntry
  | ListedEntry;

/** A place in the order of everything recorded; larger is later. Never a duration. */
export type Instant = number;

/** A digest of a body, equal for equal bodies; null for the body of a deleted message. */
export type Hash = string | null;

/** The first line. */
export interface RunEntry {
  kind: "run";
  run: string;
  layer: "simulation" | "real";
  commit: string;
  seed: number;
  /** Ids of the faults that are to happen; a run in which one of them does not is void. */
  faults: string[];
}

/**
 * A step of something that a user asked for. Every operation has one `invoke`, recorded before anything of it left the
 * client, and at most one end, recorded after the client knew:
 * - `ok`: it was acknowledged
 * - `fail`: it is certain that it did not and will not happen
 * - `info`: nobody knows whether it happened
 */
export interface OperationEntry {
  kind: "operation";
  t: Instant;
  phase: "invoke" | "ok" | "fail" | "info";
  /** Names the operation: the same in all its steps, unique in the run. */
  operation: string;
  op: "send" | "edit" | "delete" | "read" | "add" | "remove" | "rename" | "end";
  /** The device or tab that asked. */
  client: string;
  user: string;
  conversation: string;
  /** Of a `send`. */
  temp_id?: string;
  /**
   * The message: in every step of `edit` and `delete`, in the `ok` of a `send`. Of a `read`: the position asked for.
   */
  id?: number;
  /** The change it made, in an `ok`, where known. */
  seq?: number;
  /**
   * Of the body asked for, in the `invoke` of `send` and `edit`; in that of `add`, `remove` and `rename`, of the system
   * message that tells of it, where there is one.
   */
  hash?: string;
  /** Who is added or removed. */
  target?: string;
  /** Of a `rename`. */
  title?: string | null;
  /** Why, in a `fail` or an `info`. */
  error?: string;
}

/**
 * One state of a message on its way to a user.
 *
 * `at: "server"` was recorded as it left the service, so its `t` counts against removals and deletes; `at: "client"`
 * was recorded on arrival, and then only `asked` does.
 */
export interface SeenEntry {
  kind: "seen";
  t: Instant;
  at: "server" | "client";
  /** When the request or connection that brought it was begun; null where it is not known. */
  asked: Instant | null;
  via: "live" | "replay" | "rest" | "search" | "inbox" | "push";
  client: string;
  user: string;
  conversation: string;
  /** Null where the channel does not tell it. */
  epoch: string | null;
  id: number;
  seq: number;
  sender: string;
  temp_id: string | null;
  hash: Hash;
}

/** What a client shows its user of a conversation, when that changed. */
export interface ShownEntry {
  kind: "shown";
  t: Instant;
  client: string;
  user: string;
  conversation: string;
  /**
   * Ids from top to bottom as runs of consecutive ones, first and last: a sound timeline is `[]` or one run. 1, 2, 3, 3, 5
   * is `[[1, 3], [3, 3], [5, 5]]`.
   */
  ranges: Array<[number, number]>;
}

/** A client told its user of a message as new. */
export interface AnnouncedEntry {
  kind: "announced";
  t: Instant;
  client: string;
  user: string;
  conversation: string;
  id: number;
}

/**
 * A client said that a message is on the disk of its device, and so will be sent whatever happens to the client; or that it
 * will not, because it failed.
 */
export interface KeptEntry {
  kind: "kept";
  t: Instant;
  client: string;
  user: string;
  conversation: string;
  temp_id: string;
  kept: boolean;
}

/** How far a reader has read, as somebody was told. */
export interface PositionEntry {
  kind: "position";
  t: Instant;
  at: "server" | "client";
  asked: Instant | null;
  client: string;
  /** Who was told. */
  user: string;
  conversation: string;
  /** Whose position. */
  reader: string;
  last_read_id: number;
  /** Head of the conversation in the same reply, where told. */
  head: number | null;
}

/** An unread count, as its user was told. */
export interface CountEntry {
  kind: "count";
  t: Instant;
  /** As of a {@link SeenEntry}; missing is `"client"`. */
  at?: SeenEntry["at"];
  asked: Instant | null;
  client: string;
  user: string;
  conversation: string;
  via: "ready" | "rest" | "inbox";
  /** The newest message id it speaks of. */
  head: number;
  /** The newest change it speaks of; null where not told: changes under way at that moment may or may not count. */
  seq: number | null;
  last_read_id: number;
  unread: number;
}

/** A fault that happened, and when it was over. */
export interface FaultEntry {
  kind: "fault";
  t: Instant;
  phase: "fired" | "healed";
  fault: string;
  name: string;
}

/** Every process of the service ended here at once. */
export interface CrashEntry {
  kind: "crash";
  t: Instant;
}

/** All faults are healed and everybody has had time to finish. What follows are dumps. */
export interface QuietEntry {
  kind: "quiet";
  t: Instant;
  /** Whether everything came to rest within `limit_ms` after the healing: nothing queued, everybody live, all drained. */
  reached: boolean;
  waited_ms: number;
  limit_ms: number;
}

/** A message as it is stored or held. */
export interface Row {
  id: number;
  seq: number;
  sender: string;
  /** Null for a system message. */
  temp_id: string | null;
  hash: Hash;
}

/** What the object of a conversation has stored; also in the middle of a run, after a crash. */
export interface LogEntry {
  kind: "log";
  t: Instant;
  conversation: string;
  epoch: string;
  head: number;
  /** Of the newest change of a message. */
  seq: number;
  /** The log is complete from this id on; what lies before is in Postgres alone. */
  floor: number;
  /** Ids ascending. */
  rows: Row[];
}

/** What Postgres holds of a conversation in the end. */
export interface PostgresEntry {
  kind: "postgres";
  t: Instant;
  conversation: string;
  head: number;
  /** Of the newest change of a message. */
  seq: number;
  title: string | null;
  participants: Array<{ user: string; last_read_id: number }>;
  /** Ids ascending. */
  rows: Row[];
  /** Ids that were set aside because Postgres refuses what they contain. */
  poison: number[];
}

/** What a client holds of a conversation in the end. */
export interface HeldEntry {
  kind: "held";
  t: Instant;
  client: string;
  user: string;
  conversation: string;
  /** Whether it is connected and has everything; false for one that was told that it may not be. */
  live: boolean;
  /** Commands without an outcome. */
  unsettled: number;
  seq: number;
  last_message_id: number;
  title: string | null;
  participants: string[];
  rows: Row[];
}

/** The same conversation read anew over REST in the end; `found` is false for somebody outside. */
export interface FreshEntry {
  kind: "fresh";
  t: Instant;
  user: string;
  conversation: string;
  found: boolean;
  last_message_id: number;
  title: string | null;
  participants: string[];
  /** Every message, ids ascending. */
  rows: Row[];
}

/** Where a conversation stands for one user. */
export interface Standing {
  head: number;
  last_read_id: number;
  unread: number;
}

/** What the open inbox of a user shows of a conversation in the end, as it told its clients. */
export interface ListedEntry {
  kind: "listed";
  t: Instant;
  user: string;
  conversation: string;
  /** Null when it does not show the conversation. */
  shown: Standing | null;
  /** What the conversation itself says to them then; null when it does not let them in. */
  own: Standing | null;
  /** The unread messages of all their conversations, where the inbox knows of no other. */
  total: number;
}
