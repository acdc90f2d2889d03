import type { Message } from "../protocol/entities.ts";
import type { DeleteCommand, EditCommand, SendCommand } from "../protocol/frames.ts";
import type { ChatError } from "./errors.ts";

/** What a sender may put into a message: text, data, or both. */
export type MessageInput = SendCommand["body"];

/** A message of one's own that the service has not confirmed. */
export interface PendingMessage {
  temp_id: string;
  body: MessageInput;
  reply_to_id: number | null;
  /** When `send` was called, ISO 8601 by this device's clock. */
  created_at: string;
  /** `queued`: will be sent when it can. `sending`: sent, not answered. `failed`: refused; retry or discard it. */
  status: "queued" | "sending" | "failed";
  /** What the service said last, if it refused. */
  error?: ChatError;
}

/** One command until its event has arrived. */
export interface OutboxEntry {
  /** `temp_id` of a send, `ref` of an edit or a delete. */
  key: string;
  command: OutboxCommand;
  created_at: string;
  status: "queued" | "sending" | "failed";
  /** Refusals in a row, for the backoff. */
  refusals: number;
  /** Not sent before this time, Unix milliseconds. */
  not_before: number;
  /** Whether it was sent on a connection that ended before an answer: it may have been carried out. */
  is_uncertain: boolean;
  error: ChatError | null;
}

/** What is kept until it is answered. */
export type OutboxCommand = SendCommand | EditCommand | DeleteCommand;

/** Commands in the order of their calls. */
export type Outbox = readonly OutboxEntry[];

/** Adds a command behind all others. */
export function enqueue(outbox: Outbox, key: string, command: OutboxCommand, nowMs: number): Outbox {
  const created_at = new Date(nowMs).toISOString();
  return [...outbox, { key, command, created_at, ...FRESH }];
}

/** No refused command waits longer, whatever the server says. */
export const LONGEST_WAIT_MS = 60_000;

const FRESH = { status: "queued", refusals: 0, not_before: 0, is_uncertain: false, error: null } as const;

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

/** The connection ended: what was not answered is sent again on the next. */
export function requeue(outbox: Outbox): Outbox {
  if (!outbox.some(({ status }) => status === "sending")) return outbox;
  return outbox.map((entry) =>
    entry.status === "sending" ? { ...entry, status: "queued", is_uncertain: true } : entry,
  );
}

/** An entry that is done, with the message that says so. */
export interface Settled {
  key: string;
  message: Message;
}

/**
 * Finds what these messages acknowledge: a send by sender and `temp_id`, a delete by id, an edit by id and
 * body. Of several edits of one message only the first unanswered one can be meant, or a later one would
 * be overtaken when they are sent again.
 */
export function settle(
  outbox: Outbox,
  messages: readonly Message[],
  userId: string,
): { outbox: Outbox; settled: Settled[] } {
  const settled: Settled[] = [];
  let rest = outbox;
  for (const message of messages) {
    if (rest.length === 0) break;
    const done = rest.filter((entry) => isSettledBy(entry, message, userId, rest));
    for (const { key } of done) settled.push({ key, message });
    if (done.length > 0) rest = rest.filter((entry) => !done.includes(entry));
  }
  return { outbox: rest, settled };
}

function isSettledBy(entry: OutboxEntry, message: Message, userId: string, outbox: Outbox): boolean {
  const { command } = entry;
  switch (command.type) {
    case "message.send":
      return message.temp_id === command.temp_id && message.sender_id === userId;
    case "message.delete":
      return message.id === command.id && message.deleted_at !== null;
    case "message.edit": {
      if (message.id !== command.id || message.edited_at === null || message.body === null) return false;
      const first = outbox.find(
        (other) => other.command.type === "message.edit" && other.command.id === command.id,
      );
      const wasSent = entry.status === "sending" || entry.is_uncertain;
      return first === entry && wasSent && isSameBody(message.body, command.body);
    }
  }
}

/**
 * The service refused a command. One that may succeed later waits for `retryAt`; a failed send stays for the
 * user to decide, a failed edit or delete goes.
 */
export function refused(outbox: Outbox, key: string, error: ChatError, retryAt: number): Outbox {
  return outbox.flatMap((entry): OutboxEntry[] => {
    if (entry.key !== key) return [entry];
    const refusals = entry.refusals + 1;
    if (error.retryable) return [{ ...entry, status: "queued", refusals, not_before: retryAt, error }];
    return entry.command.type === "message.send" ? [{ ...entry, status: "failed", refusals, error }] : [];
  });
}

/** Nothing can be sent any more: every send fails with what `errorOf` says, edits and deletes go. */
export function failAll(outbox: Outbox, errorOf: (entry: OutboxEntry) => ChatError): Outbox {
  return outbox.flatMap((entry): OutboxEntry[] => {
    if (entry.status === "failed") return [entry];
    return entry.command.type === "message.send"
      ? [{ ...entry, status: "failed", error: errorOf(entry) }]
      : [];
  });
}

/** Puts a failed send behind all others, to be sent again with the same `temp_id`. */
export function retry(outbox: Outbox, key: string): Outbox {
  const entry = outbox.find((other) => other.key === key && other.status === "failed");
  if (!entry) return outbox;
  return [...discard(outbox, key), { ...entry, ...FRESH, is_uncertain: entry.is_uncertain }];
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
