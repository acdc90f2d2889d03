import type { Request } from "./example-service.ts";
import type { Instant, Row, SeenEntry } from "./history.ts";

/** What a connection carries down. */
export type Down =
  | {
      kind: "ready";
      since: number | null;
      epoch: string;
      seq: number;
      head: number;
      rows: Row[];
      reading: Reading;
    }
  | {
      kind: "change";
      epoch: string;
      seq: number;
      row: Row | null;
      answers: string | null;
      isRepeated: boolean;
    }
  | { kind: "refused"; answers: string }
  | { kind: "closed" };

/** What the service says of reading to somebody who connects. */
interface Reading {
  last_read_id: number;
  unread: number;
  positions: Array<[reader: string, last_read_id: number]>;
}

export interface Connection {
  asked: Instant;
  up: Request[];
  down: Down[];
  isOpen: boolean;
}

/** One client in one conversation. */
export interface Seat {
  client: string;
  user: string;
  conversation: string;
  /** Where its messages are recorded. */
  at: SeenEntry["at"];
  connection: Connection | null;
  /** What has no outcome, in the order of the calls. */
  outbox: Request[];
  epoch: string | null;
  seq: number;
  rows: Row[];
  head: number;
  isLive: boolean;
  isGone: boolean;
}

/** What a user is shown of a change. */
export interface News {
  hasMoved: boolean;
  /** Ids that are new to them. */
  announced: number[];
}

/** A seat that knows nothing yet. The user is the part of the client's name before the point. */
export function newSeat(client: string, conversation: string, at: SeenEntry["at"]): Seat {
  const user = client.split(".")[0] ?? "";
  const nothing = { connection: null, outbox: [], epoch: null, seq: 0, rows: [], head: 0 };
  return { client, user, conversation, at, ...nothing, isLive: false, isGone: false };
}

/** Takes over what a connection begins with: what was missed, or a page to begin anew with. */
export function begin(seat: Seat, { since, epoch, seq, head, rows }: Extract<Down, { kind: "ready" }>): News {
  const isAnew = since === null;
  const isOther = seat.epoch !== epoch;
  const before = seat.head;
  seat.rows = isAnew ? rows : merge(seat.rows, rows);
  Object.assign(seat, { epoch, seq, head, isLive: true });
  // What it begins anew with in another epoch cannot be told from what it had.
  const announced = isOther ? [] : seat.rows.map(({ id }) => id).filter((id) => id > before);
  return { hasMoved: true, announced };
}

/** Takes over a change. */
export function apply(seat: Seat, { row, seq }: Extract<Down, { kind: "change" }>): News {
  seat.seq = seq;
  // It may be about a message that is not loaded here.
  if (!row || row.id < (seat.rows[0]?.id ?? 1)) return { hasMoved: false, announced: [] };
  const isNew = row.id > seat.head;
  seat.rows = merge(seat.rows, [row]);
  seat.head = Math.max(seat.head, row.id);
  return { hasMoved: isNew, announced: isNew ? [row.id] : [] };
}

/** Rows with newer states and further rows put in their places. */
function merge(rows: readonly Row[], newer: readonly Row[]): Row[] {
  const merged = new Map(rows.map((row) => [row.id, row]));
  for (const row of newer) if ((merged.get(row.id)?.seq ?? 0) < row.seq) merged.set(row.id, row);
  return [...merged.values()].sort((a, b) => a.id - b.id);
}
