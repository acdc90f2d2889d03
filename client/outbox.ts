import type { Message } from "../protocol/entities.ts";
import type {
  AddReactionCommand,
  DeleteCommand,
  DurableEvent,
  EditCommand,
  RemoveReactionCommand,
  SendCommand,
} from "../protocol/frames.ts";
import { type ChatError, fromWire, type WireError } from "./errors.ts";

/** What a sender may put into a message: text, data, or both. */
export type MessageInput = SendCommand["body"];

/** A message of one's own that the service has not confirmed. */
export interface PendingMessage {
  temp_id: string;
  body: MessageInput;
  reply_to_id: number | null;
  /** When `send` was called, ISO 8601 by this device's clock. */
  created_at: string;
  /**
   * - `saving`: on its way to the disk
   * - `queued`: will be sent when it can; on the disk, unless the client's `storage` says `memory`
   * - `sending`: sent, not answered
   * - `failed`: refused; retry or discard it
   */
  status: EntryStatus;
  /** What the service said last, if it refused. */
  error?: ChatError;
}

type EntryStatus = "saving" | "queued" | "sending" | "failed";

/** One command until its event has arrived. */
export interface OutboxEntry {
  /** `temp_id` of a send, `ref` of any other. */
  key: string;
  /** Whether it is on the disk. */
  is_stored: boolean;
  /** Its place among the commands of all tabs: Unix milliseconds of the call, or one more than the last. */
  order: number;
  command: OutboxCommand;
  created_at: string;
  status: EntryStatus;
  /** Refusals in a row, for the backoff. */
  refusals: number;
  /** Not sent before this time, Unix milliseconds. */
  not_before: number;
  /** Whether it was sent on a connection that ended before an answer: it may have been carried out. */
  is_uncertain: boolean;
  error: ChatError | null;
}

/** What is kept until it is answered. */
export type OutboxCommand =
  | SendCommand
  | EditCommand
  | DeleteCommand
  | AddReactionCommand
  | RemoveReactionCommand;

/** Commands in the order of their calls. */
export type Outbox = readonly OutboxEntry[];

/** Adds a command behind all others. */
export function enqueue(outbox: Outbox, key: string, command: OutboxCommand, nowMs: number): Outbox {
  const created_at = new Date(nowMs).toISOString();
  return [...outbox, { key, command, created_at, order: nextOrder(outbox, nowMs), ...FRESH }];
}

const nextOrder = (outbox: Outbox, nowMs: number): number =>
  Math.max(nowMs, 1 + Math.max(0, ...outbox.map(({ order }) => order)));

/** What is kept of an entry: the rest begins anew with the next client. */
export interface StoredEntry {
  key: string;
  command: OutboxCommand;
  created_at: string;
  /** Why it failed for good. */
  error: WireError | null;
}

/** Its key in the storage, by which entries are in order. */
export const storageKey = ({ order, key }: OutboxEntry): string =>
  `${String(order).padStart(16, "0")} ${key}`;

export function toStored({ key, command, created_at, status, error }: OutboxEntry): StoredEntry {
  if (status !== "failed" || !error) return { key, command, created_at, error: null };
  const { code, message, details, request_id } = error;
  return { key, command, created_at, error: { code, message, details, request_id } };
}

/**
 * Takes over what the storage holds, which other tabs may have changed. What it has no more was done there. A message stays
 * until this connection has shown it: sent once more after the next, it would be no second one.
 */
export function restore(
  outbox: Outbox,
  stored: ReadonlyArray<readonly [key: string, value: StoredEntry]>,
): Outbox {
  const known = new Map(outbox.map((entry) => [storageKey(entry), entry]));
  const found = stored.map(([at, { error, ...entry }]): OutboxEntry => {
    const mine = known.get(at);
    known.delete(at);
    const hasFailed = error && (!mine || mine.status === "queued");
    if (mine && !hasFailed) return mine;
    return {
      ...FRESH,
      ...entry,
      is_stored: true,
      order: Number.parseInt(at, 10),
      status: error ? "failed" : "queued",
      error: error && fromWire(error),
      is_uncertain: true,
    };
  });
  const others = [...known.values()].flatMap((entry): OutboxEntry[] => {
    if (!entry.is_stored) return [entry];
    const isAgain = found.some(({ key }) => key === entry.key);
    if (isAgain || entry.status === "failed" || entry.command.type !== "message.send") return [];
    return [{ ...entry, status: "sending" }];
  });
  return [...found, ...others].sort((a, b) => a.order - b.order);
}

/** No refused command waits longer, whatever the server says. */
export const LONGEST_WAIT_MS = 60_000;

const FRESH = {
  status: "saving",
  is_stored: false,
  refusals: 0,
  not_before: 0,
  is_uncertain: false,
  error: null,
} as const;

/** What may go out now. */
export interface Takeout {
  outbox: Outbox;
  /** One frame; null when nothing may be sent. */
  frame: string | null;
  /** Commands in the frame. */
  count: number;
  /** When a command that waits after a refusal may go, Unix milliseconds; null if none holds up the queue. */
  wake_at: number | null;
}

/**
 * Takes the next commands, in order, as one frame. A command that waits after a refusal holds up those
 * behind it: they were meant to come after it.
 *
 * @param room how many may be taken, besides `maxInFlight` minus those unanswered
 */
export function take(
  outbox: Outbox,
  limits: { nowMs: number; room: number; maxInFlight: number; frameBytes: number },
): Takeout {
  const inFlight = outbox.filter(({ status }) => status === "sending").length;
  // What is on its way behind a refused command will be refused as well: until it is, nothing may overtake it.
  if (inFlight > 0 && outbox.some(({ status, refusals }) => status === "queued" && refusals > 0))
    return { outbox, frame: null, count: 0, wake_at: null };
  const max = Math.min(Math.floor(limits.room), limits.maxInFlight - inFlight);
  const taken = new Set<OutboxEntry>();
  const texts: string[] = [];
  let bytes = 2;
  let wakeAt: number | null = null;
  for (const entry of outbox) {
    if (entry.status !== "queued") continue;
    // Further away than any wait means that the clock was set back.
    if (entry.not_before > limits.nowMs && entry.not_before <= limits.nowMs + LONGEST_WAIT_MS) {
      wakeAt = entry.not_before;
      break;
    }
    const text = JSON.stringify(entry.command);
    bytes += byteLength(text) + 1;
    if (taken.size >= max || (taken.size > 0 && bytes > limits.frameBytes)) break;
    taken.add(entry);
    texts.push(text);
  }
  return {
    outbox:
      taken.size === 0
        ? outbox
        : outbox.map((entry) => (taken.has(entry) ? { ...entry, status: "sending" } : entry)),
    frame: texts.length > 1 ? `[${texts.join(",")}]` : (texts[0] ?? null),
    count: taken.size,
    wake_at: wakeAt,
  };
}

/** Whether the command alone fits into a frame. */
export function fitsFrame(command: OutboxCommand, frameBytes: number): boolean {
  return byteLength(JSON.stringify(command)) <= frameBytes;
}

/** These were written as they were, or could not be: either way they may be sent now. */
export function saved(outbox: Outbox, written: Outbox, isStored: boolean): Outbox {
  return outbox.map((entry) => {
    const stored = written.find(({ key }) => key === entry.key);
    if (!stored) return entry;
    // It may have failed meanwhile, which has yet to be written.
    const is_stored = isStored && stored.error === entry.error;
    return { ...entry, is_stored, status: entry.status === "saving" ? "queued" : entry.status };
  });
}

/** The connection ended: what was not answered is sent again on the next. */
export function requeue(outbox: Outbox): Outbox {
  if (!outbox.some(({ status }) => status === "sending")) return outbox;
  return outbox.map((entry) =>
    entry.status === "sending" ? { ...entry, status: "queued", is_uncertain: true } : entry,
  );
}

/** What may acknowledge a command: a message as it is now, or somebody's reaction. */
export type Evidence = Message | ReactionUpdated;
type ReactionUpdated = Extract<DurableEvent, { type: "reaction.updated" }>;

/** An entry that is done, with what says so. */
export interface Settled {
  key: string;
  evidence: Evidence;
}

/**
 * Finds what these acknowledge: a send by sender and `temp_id`, a delete by id, an edit by id and body, a reaction by
 * whether it is there. Of several edits of one message, or reactions with one emoji, only the first unanswered one can be
 * meant, or a later one would be overtaken when they are sent again.
 */
export function settle(
  outbox: Outbox,
  evidences: readonly Evidence[],
  userId: string,
): { outbox: Outbox; settled: Settled[] } {
  const settled: Settled[] = [];
  let rest = outbox;
  for (const evidence of evidences) {
    if (rest.length === 0) break;
    const done = rest.filter((entry) => isSettledBy(entry, evidence, userId, rest));
    for (const { key } of done) settled.push({ key, evidence });
    if (done.length > 0) rest = rest.filter((entry) => !done.includes(entry));
  }
  return { outbox: rest, settled };
}

function isSettledBy(entry: OutboxEntry, evidence: Evidence, userId: string, outbox: Outbox): boolean {
  const { command } = entry;
  if (command.type === "message.send")
    return "temp_id" in evidence && evidence.temp_id === command.temp_id && evidence.sender_id === userId;
  if (command.type === "message.delete")
    return "temp_id" in evidence && evidence.id === command.id && evidence.deleted_at !== null;
  const wasSent = entry.status === "sending" || entry.is_uncertain;
  const first = outbox.find((other) => subject(other.command) === subject(command));
  if (!wasSent || first !== entry) return false;
  if (command.type === "message.edit") {
    const message = "temp_id" in evidence && evidence.id === command.id && evidence;
    return message && message.edited_at !== null && !!message.body && isSameBody(message.body, command.body);
  }
  const isAdded = command.type === "reaction.add";
  if ("temp_id" in evidence) {
    if (evidence.id !== command.id) return false;
    const given = evidence.reactions.find(({ emoji }) => plain(emoji) === plain(command.emoji));
    return (given?.user_ids.includes(userId) ?? false) === isAdded;
  }
  const { message_id, user_id, emoji, added } = evidence;
  return (
    message_id === command.id &&
    user_id === userId &&
    plain(emoji) === plain(command.emoji) &&
    added === isAdded
  );
}

/** What a command is about: of two with the same, the later must stay the later. */
function subject(command: OutboxCommand): string {
  if (command.type === "message.send") return command.temp_id;
  return "emoji" in command ? `${command.id} ${plain(command.emoji)}` : `${command.id} ${command.type}`;
}

/** The service adds variation selectors. */
const plain = (emoji: string): string => emoji.replaceAll("\ufe0f", "");

/**
 * The service refused a command. One that may succeed later waits for `retryAt`; a failed send stays for the
 * user to decide, a failed edit or delete goes.
 */
export function refused(outbox: Outbox, key: string, error: ChatError, retryAt: number): Outbox {
  return outbox.flatMap((entry): OutboxEntry[] => {
    if (entry.key !== key) return [entry];
    const refusals = entry.refusals + 1;
    if (error.retryable) return [{ ...entry, status: "queued", refusals, not_before: retryAt, error }];
    return entry.command.type === "message.send" ? [failed({ ...entry, refusals }, error)] : [];
  });
}

/** Nothing can be sent any more: every send fails with what `errorOf` says, edits and deletes go. */
export function failAll(outbox: Outbox, errorOf: (entry: OutboxEntry) => ChatError): Outbox {
  return outbox.flatMap((entry): OutboxEntry[] => {
    if (entry.status === "failed") return [entry];
    return entry.command.type === "message.send" ? [failed(entry, errorOf(entry))] : [];
  });
}

/** What was told to have failed must never be sent by a later client. */
const failed = (entry: OutboxEntry, error: ChatError): OutboxEntry => ({
  ...entry,
  status: "failed",
  is_stored: false,
  error,
});

/** Puts a failed send behind all others, to be sent again with the same `temp_id`. */
export function retry(outbox: Outbox, key: string, nowMs: number): Outbox {
  const entry = outbox.find((other) => other.key === key && other.status === "failed");
  if (!entry) return outbox;
  const { is_uncertain } = entry;
  return [...discard(outbox, key), { ...entry, ...FRESH, order: nextOrder(outbox, nowMs), is_uncertain }];
}

/** Forgets an entry. */
export function discard(outbox: Outbox, key: string): Outbox {
  return outbox.filter((entry) => entry.key !== key);
}

/** Whether anything is still to be sent or answered. */
export function isUnsettled(outbox: Outbox): boolean {
  return outbox.some(({ status }) => status !== "failed");
}

/** The sends, as a user sees them. */
export function pendingMessages(outbox: Outbox): readonly PendingMessage[] {
  return outbox.flatMap(({ command, created_at, status, error }) => {
    if (command.type !== "message.send") return [];
    const { temp_id, body, reply_to_id = null } = command;
    return [{ temp_id, body, reply_to_id, created_at, status, ...(error ? { error } : {}) }];
  });
}

const encoder = new TextEncoder();
const byteLength = (text: string): number => encoder.encode(text).length;

/** The server may add to a body, but text and data stay as they were sent. */
function isSameBody(a: MessageInput, b: MessageInput): boolean {
  return a.text === b.text && canonical(a.data) === canonical(b.data);
}

/** JSON with sorted keys: a database may order them differently. */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
