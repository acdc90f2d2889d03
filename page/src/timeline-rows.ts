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

export type Row =
  | { kind: "day"; key: string; date: Date }
  | { kind: "system"; key: string; message: Message }
  | ({ kind: "message"; key: string; message: Message } & Place)
  | ({ kind: "pending"; key: string; pending: PendingMessage } & Place);

interface Entry {
  row: Exclude<Row, { kind: "day" }>;
  /** Null for system messages, which belong to no run. */
  senderId: string | null;
  date: Date;
}

/**
 * What the timeline shows, in order: messages, then what is not sent yet, cut into days and runs. A
 * message keeps the key that it had while it was pending, so that its bubble stays the same element.
 */
export function toRows(
  messages: readonly Message[],
  pending: readonly PendingMessage[],
  myId: string,
): Row[] {
  const entries: Entry[] = [
    ...messages.map((message) => toEntry(message)),
    ...pending.map((item) => pendingEntry(item, myId)),
  ];
  const rows: Row[] = [];
  for (const [index, { row, senderId, date }] of entries.entries()) {
    const previous = entries[index - 1];
    const next = entries[index + 1];
    const day = startOfDay(date);
    if (!previous || startOfDay(previous.date) !== day) rows.push({ kind: "day", key: `day-${day}`, date });
    if (row.kind === "system") {
      rows.push(row);
      continue;
    }
    const isFirst = !previous || !areTogether(previous, { senderId, date });
    const isLast = !next || !areTogether({ senderId, date }, next);
    rows.push({ ...row, isFirst, isLast });
  }
  return rows;
}

function toEntry(message: Message): Entry {
  const date = new Date(message.created_at);
  if (message.type === "system") {
    return { row: { kind: "system", key: `message-${message.id}`, message }, senderId: null, date };
  }
  const key = message.temp_id ? `sent-${message.sender_id}-${message.temp_id}` : `message-${message.id}`;
  return { row: { kind: "message", key, message, ...ALONE }, senderId: message.sender_id, date };
}

function pendingEntry(pending: PendingMessage, myId: string): Entry {
  const key = `sent-${myId}-${pending.temp_id}`;
  return {
    row: { kind: "pending", key, pending, ...ALONE },
    senderId: myId,
    date: new Date(pending.created_at),
  };
}

const ALONE: Place = { isFirst: true, isLast: true };

function areTogether(
  earlier: Pick<Entry, "senderId" | "date">,
  later: Pick<Entry, "senderId" | "date">,
): boolean {
  return (
    earlier.senderId !== null &&
    earlier.senderId === later.senderId &&
    startOfDay(earlier.date) === startOfDay(later.date) &&
    later.date.getTime() - earlier.date.getTime() < GROUP_MS
  );
}
