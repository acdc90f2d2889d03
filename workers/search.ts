import {
  listSearched,
  lowestLookedAt,
  type MessagePosition,
  readAgain,
  type SearchedConversation,
  type Sought,
  searchConversation,
  searchSeveral,
  toSought,
} from "../db/search.ts";
import type { SearchTail } from "../durable-objects/rpc.ts";
import type { Message } from "../protocol/entities.ts";
import { refuse } from "../protocol/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { SearchHit } from "../protocol/rest.ts";
import { highlights } from "../protocol/search-text.ts";
import { type AppContext, conversationObject } from "./context.ts";
import { RefusalError, unwrap } from "./middleware/errors.ts";

/** A page of hits, newest first. `next` is where the rest begins; null when everything was looked through. */
export interface SearchPage<Next> {
  hits: SearchHit[];
  next: Next | null;
}

/**
 * Searches one conversation. Its object is asked first: what it called drained then is in Postgres now.
 *
 * @returns `next` is the `before_id` of the next page
 */
export async function searchOne(
  c: AppContext,
  id: string,
  { query, limit, beforeId }: { query: string; limit: number; beforeId?: number | undefined },
): Promise<SearchPage<number>> {
  const tail = unwrap(
    await conversationObject(c.env, id).searchTail(c.get("identity").userId, query, beforeId),
  );
  const range = {
    beforeId: Math.min(beforeId ?? Number.MAX_SAFE_INTEGER, tail.head + 1),
    fromId: tail.visibleFromId,
  };
  const sought = toSought(query);
  const stored = await searchConversation(c.get("db"), sought, {
    ...range,
    conversationId: id,
    superseded: tail.superseded,
    limit: limit + 1,
  });
  const lowest = lowestLookedAt(sought, range);
  const undrained = tail.messages.filter((message) => message.id < range.beforeId && message.id >= lowest);
  const found = [...stored, ...undrained].sort((a, b) => b.id - a.id);
  const page = found.slice(0, limit);
  const rest = lowest > range.fromId ? lowest : null;
  return { hits: toHits(page, query), next: found.length > limit ? (page.at(-1)?.id ?? null) : rest };
}

/** Conversations that were written in a moment ago whose objects are asked for what is not drained. */
const ACTIVE_ASKED = 20;
/** Conversations searched in one query: few at first, because those with the newest messages may be enough, then more. */
const FIRST_TOGETHER = 8;
const TOGETHER_MAX = 512;
/** Without bigrams, messages are read one by one, and all conversations share how many. */
const READ_TOGETHER = 64;

/**
 * Searches all conversations of the caller, those with the newest messages first, until the page is full. Objects are asked
 * where something was written a moment ago, and where hits are: nobody else knows of deletes that are not drained.
 *
 * @param before only messages before this position
 * @returns `next` is the `before` of the next page
 */
export async function searchAll(
  c: AppContext,
  { query, limit, before }: { query: string; limit: number; before: MessagePosition | null },
): Promise<SearchPage<MessagePosition>> {
  const sought = toSought(query);
  const listed = await listSearched(c.get("db"), c.get("identity").userId, before);
  const active = listed.filter(({ isActive }) => isActive).slice(0, ACTIVE_ASKED);
  const tails = await askTails(c, active, query);
  for (const tail of tails.values())
    if (tail)
      requireWhole(tail, limit, (message) => before === null || comparePositions(message, before) < 0);
  const { candidates, horizon } = await searchListed(c, sought, { listed, tails, limit, before });

  const complete = candidates.filter((message) => horizon === null || comparePositions(message, horizon) > 0);
  const chosen = complete.slice(0, limit);
  const last = chosen.at(-1);
  const next =
    complete.length > limit && last ? toPosition(last) : horizon && { ...horizon, id: horizon.id + 1 };
  const page = await confirm(c, sought, { query, listed, tails, chosen });
  return { hits: toHits(page, query), next };
}

/** Hits in the conversations, newest first; of those that are not after `horizon`, some may be missing. */
async function searchListed(
  c: AppContext,
  sought: Sought,
  {
    listed,
    tails,
    limit,
    before,
  }: {
    listed: readonly SearchedConversation[];
    tails: Tails;
    limit: number;
    before: MessagePosition | null;
  },
): Promise<{ candidates: Message[]; horizon: MessagePosition | null }> {
  const isBefore = (message: Message) => before === null || comparePositions(message, before) < 0;
  const candidates = [...tails.values()].flatMap((tail) => tail?.messages.filter(isBefore) ?? []);
  const unseen: MessagePosition[] = [];
  const isIndexed = sought.bigrams.length > 0;
  const left = listed.flatMap(({ id, newestId, newestAt }) =>
    newestAt === null || tails.get(id) === null ? [] : { id, newestId, newestAt },
  );
  let horizon: MessagePosition | null = null;
  let together = isIndexed ? FIRST_TOGETHER : READ_TOGETHER;
  while (left.length > 0) {
    const searched = left.splice(0, together);
    together = Math.min(together * 8, TOGETHER_MAX);
    const found = await searchSeveral(c.get("db"), sought, {
      userId: c.get("identity").userId,
      ranges: searched.map(({ id, newestId }) => {
        const tail = tails.get(id);
        // Drained since the conversations were listed: the object was asked after that.
        const beforeId = (before === null ? Math.max(newestId, tail?.head ?? 0) : newestId) + 1;
        return {
          conversationId: id,
          beforeId,
          lowestId: lowestLookedAt(sought, { beforeId, fromId: 1 }, searched.length),
          visibleFromId: tail?.visibleFromId ?? null,
          superseded: tail?.superseded ?? [],
        };
      }),
      limit: limit + 1,
    });
    candidates.push(...found.messages.filter(isBefore));
    unseen.push(...found.unseen);
    const rest = left.slice(0, 1).map(({ id, newestId, newestAt }) => ({
      created_at: newestAt,
      conversation_id: id,
      id: newestId,
    }));
    horizon = [...unseen, ...rest].sort(comparePositions).at(-1) ?? null;
    const bound = horizon;
    const complete = candidates.filter((message) => bound === null || comparePositions(message, bound) > 0);
    if (complete.length > limit || !isIndexed) break;
  }
  return { candidates: candidates.sort((a, b) => comparePositions(b, a)), horizon };
}

/**
 * The hits as their objects know them: those whose object was not asked yet are read again after it was, because what was
 * drained in between is no longer what was found.
 */
async function confirm(
  c: AppContext,
  sought: Sought,
  {
    query,
    listed,
    tails,
    chosen,
  }: { query: string; listed: readonly SearchedConversation[]; tails: Tails; chosen: readonly Message[] },
): Promise<Message[]> {
  const found = new Set(chosen.map(({ conversation_id }) => conversation_id));
  const unasked = listed.filter(({ id, isActivated }) => isActivated && found.has(id) && !tails.has(id));
  if (unasked.length === 0) return [...chosen];
  const late = await askTails(c, unasked, query);
  const doubtful = chosen.filter(({ conversation_id }) => late.has(conversation_id));
  const again = new Map(
    (await readAgain(c.get("db"), sought, doubtful)).map((message) => [keyOf(message), message]),
  );
  return chosen.flatMap((message) => {
    const tail = late.get(message.conversation_id);
    if (tail === undefined) return message;
    if (tail === null || message.id < tail.visibleFromId) return [];
    // Edited, and not drained yet: the object has it as it is now, if it still contains what is sought.
    if (tail.superseded.includes(message.id)) return tail.messages.find(({ id }) => id === message.id) ?? [];
    return again.get(keyOf(message)) ?? [];
  });
}

/** What objects know beyond Postgres, by conversation; null where the caller does not take part any more. */
type Tails = Map<string, SearchTail | null>;

/** An object that cannot answer leaves what Postgres knows. */
async function askTails(
  c: AppContext,
  conversations: readonly SearchedConversation[],
  query: string,
): Promise<Tails> {
  const tails: Tails = new Map();
  await Promise.all(
    conversations.map(async ({ id }) => {
      try {
        const tail = await conversationObject(c.env, id).searchTail(c.get("identity").userId, query);
        if (tail.ok) tails.set(id, tail.value);
        else if (tail.error.code === "CONVERSATION_NOT_FOUND") tails.set(id, null);
      } catch {
        // Not in the map: as if it had not been asked.
      }
    }),
  );
  return tails;
}

/**
 * An object tells of its newest undrained hits only. They fill a page that begins among them; one that begins further back
 * would miss some, as long as Postgres is that far behind.
 */
function requireWhole(tail: SearchTail, limit: number, isOnPage: (message: Message) => boolean): void {
  if (tail.messages.length <= LIMITS.pageSizeMax || tail.messages.filter(isOnPage).length > limit) return;
  throw new RefusalError(
    refuse("SERVICE_UNAVAILABLE", "Too many messages are not stored yet. Try again.", {
      retry_after_ms: 1_000,
    }).error,
  );
}

const toHits = (messages: readonly Message[], query: string): SearchHit[] =>
  messages.flatMap((message) => {
    const found = highlights(message.body?.text ?? "", query);
    // Empty where a version of the service that knew no search has edited the message since: it says something else.
    return found.length === 0 ? [] : { ...message, highlights: found };
  });

const toPosition = ({ created_at, conversation_id, id }: Message): MessagePosition => ({
  created_at,
  conversation_id,
  id,
});

const keyOf = ({ conversation_id, id }: Message): string => `${conversation_id}/${id}`;

/** Below 0 when `a` is before `b`. */
function comparePositions(a: MessagePosition, b: MessagePosition): number {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? -1 : 1;
  if (a.conversation_id !== b.conversation_id) return a.conversation_id < b.conversation_id ? -1 : 1;
  return a.id - b.id;
}
