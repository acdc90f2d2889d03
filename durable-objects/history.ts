import type { Message } from "../protocol/entities.ts";
import { ok, type Result, refuse } from "../protocol/errors.ts";
import { matches } from "../protocol/search-text.ts";
import type { MirroredParticipant } from "./mirror.ts";
import type { SearchTail } from "./rpc.ts";
import type { View } from "./views.ts";

/** A page of the log, and what of the range the log does not hold. */
export interface LogPage {
  /** Ids ascending. */
  messages: Message[];
  /** The part of the range that only Postgres holds; null when the page is whole. */
  missing: { beforeId: number; afterId?: number; fromId: number; limit: number } | null;
  /** Changes of messages in the missing part that Postgres may not have yet. */
  newer: Message[];
  head: number;
  /** The first message that the reader may see. */
  visibleFromId: number;
}

/** Messages before `beforeId`, or the latest; or those after `afterId`. */
export interface LogRange {
  beforeId?: number | undefined;
  afterId?: number | undefined;
  limit: number;
}

/** Hits among what is not drained that one search gets at most, and how much of that it looks through. */
const SEARCH_TAIL = 200;
const SEARCH_UNDRAINED = 5_000;
const SEARCH_CHARACTERS = 2_000_000;

/** @param storedFloor the first message that the log holds */
export function pageOf(
  { log, position: { head } }: View,
  storedFloor: number,
  { visible_from_id: fromId }: MirroredParticipant,
  { beforeId, afterId, limit }: LogRange,
): LogPage {
  const floor = Math.max(storedFloor, fromId);
  const newer = log.undrainedBelow(floor, log.readCursor());
  const isOlderElsewhere = floor > fromId;
  if (afterId !== undefined) {
    const messages = log.pageAfter(Math.max(afterId, floor - 1), limit);
    const missing =
      isOlderElsewhere && afterId < floor - 1 ? { afterId, beforeId: floor, fromId, limit } : null;
    return { messages, missing, newer, head, visibleFromId: fromId };
  }
  const before = Math.min(beforeId ?? Number.MAX_SAFE_INTEGER, head + 1);
  const messages = log.pageBefore(before, floor, limit);
  const short = limit - messages.length;
  const missing =
    short > 0 && isOlderElsewhere ? { beforeId: Math.min(before, floor), fromId, limit: short } : null;
  return { messages, missing, newer, head, visibleFromId: fromId };
}

/** What search cannot find in Postgres yet: messages that were sent, edited or deleted and are not drained. */
export function searchTailOf(
  { log, position: { head } }: View,
  { visible_from_id: visibleFromId }: MirroredParticipant,
  query: string,
  beforeId: number,
): Result<SearchTail> {
  const undrained = log.allUndrained(log.readCursor(), SEARCH_UNDRAINED, SEARCH_CHARACTERS);
  if (!undrained) {
    return refuse("SERVICE_UNAVAILABLE", "Too many messages are not stored yet. Try again.", {
      retry_after_ms: 2_000,
    });
  }
  const visible = undrained.filter(({ id }) => id >= visibleFromId).sort((a, b) => b.id - a.id);
  const found = visible.filter(
    ({ id, body }) => id < beforeId && body?.text !== undefined && matches(body.text, query),
  );
  return ok({
    visibleFromId,
    head,
    messages: found.slice(0, SEARCH_TAIL),
    superseded: visible.map(({ id }) => id),
  });
}
