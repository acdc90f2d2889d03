import type { PendingMessage } from "../../client/index.ts";
import type { Message } from "../../protocol/entities.ts";
import { startOfDay } from "./format.ts";

/** Messages of one sender closer than this stand together. */
const GROUP_MS = 5 * 60_000;

/** Whether a message opens or closes a run of messages of one sender. */
export interface Place {
  isFirst: boolean;
  isLast: boolean;
}

/** The lines above a row. They are part of it, because a row keeps its key when the lines above it change. */
export interface Lines {
  /** The day that begins. */
  day: Date | null;
  /** Whether what was new when the conversation was opened begins. */
  isNew: boolean;
}

export type Row = Lines & RowContent;

type RowContent =
  | { kind: "system"; key: string; message: Message }
  | ({ kind: "message"; key: string; message: Message } & Place)
  | ({ kind: "pending"; key: string; pending: PendingMessage } & Place);

interface Entry {
  day: number;
  row: RowContent;
  /** Null for system messages, which belong to no run. */
  senderId: string | null;
  date: Date;
}

/**
 * What the timeline shows, in order: messages, then what is not sent yet, cut into days and runs. A
 * message keeps the key that it had while it was pending, so that its bubble stays the same element.
 *
 * @param newFromId the first message that was new when the conversation was opened: a line stands above it
 */
export function toRows(
  messages: readonly Message[],
  pending: readonly PendingMessage[],
  myId: string,
  newFromId: number | null = null,
): Row[] {
  const entries: Entry[] = [...messages.map(entryOf), ...pending.map((item) => pendingEntry(item, myId))];
  const rows: Row[] = [];
  for (const [index, entry] of entries.entries()) {
    const { row, day, date } = entry;
    const previous = entries[index - 1];
    const next = entries[index + 1];
    const isNew = isNewAt(entry, newFromId);
    const lines: Lines = { day: previous?.day === day ? null : date, isNew };
    if (row.kind === "system") {
      rows.push({ ...row, ...lines });
      continue;
    }
    const isFirst = isNew || !previous || !areTogether(previous, entry);
    const isLast = !next || isNewAt(next, newFromId) || !areTogether(entry, next);
    rows.push({ ...row, ...lines, isFirst, isLast });
  }
  return rows;
}

/** Of messages that did not change, so that one more of very many costs little. */
const known = new WeakMap<Message, Entry>();

function entryOf(message: Message): Entry {
  let entry = known.get(message);
  if (!entry) {
    entry = toEntry(message);
    known.set(message, entry);
  }
  return entry;
}

function toEntry(message: Message): Entry {
  const date = new Date(message.created_at);
  const day = startOfDay(date);
  if (message.type === "system") {
    return { row: { kind: "system", key: `message-${message.id}`, message }, senderId: null, date, day };
  }
  const key = message.temp_id ? `sent-${message.sender_id}-${message.temp_id}` : `message-${message.id}`;
  return { row: { kind: "message", key, message, ...ALONE }, senderId: message.sender_id, date, day };
}

function pendingEntry(pending: PendingMessage, myId: string): Entry {
  const key = `sent-${myId}-${pending.temp_id}`;
  const date = new Date(pending.created_at);
  return {
    row: { kind: "pending", key, pending, ...ALONE },
    senderId: myId,
    date,
    day: startOfDay(date),
  };
}

const isNewAt = ({ row }: Entry, newFromId: number | null): boolean =>
  row.kind !== "pending" && row.message.id === newFromId;

const ALONE: Place = { isFirst: true, isLast: true };

function areTogether(earlier: Entry, later: Entry): boolean {
  return (
    earlier.senderId !== null &&
    earlier.senderId === later.senderId &&
    earlier.day === later.day &&
    later.date.getTime() - earlier.date.getTime() < GROUP_MS
  );
}
