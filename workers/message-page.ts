import type { LogPage } from "../durable-objects/history.ts";
import type { Message } from "../protocol/entities.ts";

/** What a caller asked for: with `afterId` what follows it, otherwise what ends before `beforeId` or at the head. */
export interface PageRange {
  limit: number;
  beforeId?: number | undefined;
  afterId?: number | undefined;
}

/**
 * Joins what the object holds with what only Postgres holds.
 *
 * @param older the `missing` part of the page, read from Postgres after the object had answered: what it called drained
 *              then is in Postgres now
 */
export function completePage(
  page: LogPage,
  older: readonly Message[],
  range: PageRange,
): { data: Message[]; has_more: boolean } {
  const data = [...older.map((message) => newest(message, page.newer)), ...page.messages].slice(
    0,
    range.limit,
  );
  const first = data[0]?.id;
  const last = data.at(-1)?.id;
  if (range.afterId !== undefined) return { data, has_more: last !== undefined && last < page.head };
  return { data, has_more: first !== undefined && first > page.visibleFromId };
}

function newest(message: Message, changes: Message[]): Message {
  const change = changes.find(({ id }) => id === message.id);
  return change && change.seq > message.seq ? change : message;
}
