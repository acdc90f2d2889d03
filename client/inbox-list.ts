import type { Conversation, UserSettings } from "../protocol/entities.ts";
import type { InboxEvent } from "../protocol/frames.ts";
import type { ReadState } from "./api.ts";
import type { Page } from "./request.ts";

/** Whether somebody is there. */
export interface Presence {
  readonly online: boolean;
  /** When they left last; null when that is not known. */
  readonly last_seen_at: string | null;
}

/** What a user's inbox holds at one moment. */
export interface InboxList {
  /** Empty before the first `ready`. */
  user_id: string;
  /** Newest activity first. */
  conversations: readonly Conversation[];
  /** Of every conversation that the inbox follows, listed or not, by its id. */
  unread: ReadonlyMap<string, ReadState>;
  unread_total: number;
  /** Of other users, by their ids: those of whom anything was told. */
  presence: ReadonlyMap<string, Presence>;
  settings: UserSettings | null;
  /** Where the list goes on; null when that is all. */
  next_cursor: string | null;
  /** Conversations that only being added brings back. */
  removed: ReadonlySet<string>;
}

export const EMPTY_INBOX: InboxList = {
  user_id: "",
  conversations: [],
  unread: new Map(),
  unread_total: 0,
  presence: new Map(),
  settings: null,
  next_cursor: null,
  removed: new Set(),
};

/** The inbox after an event. The same one when the event says nothing about it, or nothing new. */
export function applyInboxEvent(list: InboxList, event: InboxEvent): InboxList {
  switch (event.type) {
    case "ready":
      return {
        ...EMPTY_INBOX,
        user_id: event.user_id,
        conversations: [...event.conversations].sort(newestFirst),
        unread: new Map(event.unread.conversations.map(({ id, ...counts }) => [id, counts])),
        unread_total: event.unread.total,
        settings: event.settings,
        next_cursor: cursorOf(event),
      };
    case "conversation.added":
      return put({ ...list, removed: without(list.removed, event.conversation) }, event.conversation);
    case "conversation.updated":
      return put(list, event.conversation);
    case "conversation.removed":
      return remove(list, event.conversation_id);
    case "unread.updated":
      return { ...list, unread_total: event.total };
    case "read.updated":
      return event.user_id === list.user_id ? read(list, event.conversation_id, event.last_read_id) : list;
    case "presence.updated": {
      const { user_id, online, last_seen_at } = event;
      return { ...list, presence: new Map(list.presence).set(user_id, { online, last_seen_at }) };
    }
    case "settings.updated":
      return { ...list, settings: event.settings };
    default:
      // The others say nothing about it, nor does what a newer server says.
      event.type satisfies "synced" | "error" | "auth.expiring" | "auth.refreshed";
      return list;
  }
}

/** Puts a page behind `next_cursor` into the list. What was told meanwhile is newer. */
export function applyPage(list: InboxList, page: Page<Conversation>): InboxList {
  return page.data.reduce(put, { ...list, next_cursor: cursorOf(page) });
}

const cursorOf = ({
  has_more,
  next_cursor,
}: {
  has_more: boolean;
  next_cursor?: string | null | undefined;
}) => (has_more && next_cursor) || null;

function put(list: InboxList, conversation: Conversation): InboxList {
  const { id, last_message_id, me } = conversation;
  if (list.removed.has(id) || isOlder(conversation, list)) return list;
  const others = list.conversations.filter((other) => other.id !== id);
  const { last_read_id, unread_count } = me;
  return count({ ...list, conversations: [...others, conversation].sort(newestFirst) }, id, {
    last_read_id,
    unread_count,
    last_message_id,
  });
}

function remove(list: InboxList, id: string): InboxList {
  return count(
    {
      ...list,
      conversations: list.conversations.filter((conversation) => conversation.id !== id),
      removed: new Set(list.removed).add(id),
    },
    id,
    null,
  );
}

function read(list: InboxList, id: string, lastReadId: number): InboxList {
  const counts = list.unread.get(id);
  if (!counts || lastReadId <= counts.last_read_id) return list;
  // How many are left when not all are read comes with the conversation.
  const unread_count = lastReadId >= counts.last_message_id ? 0 : counts.unread_count;
  const conversations = list.conversations.map((conversation) =>
    conversation.id === id
      ? { ...conversation, me: { ...conversation.me, last_read_id: lastReadId, unread_count } }
      : conversation,
  );
  return count({ ...list, conversations }, id, { ...counts, last_read_id: lastReadId, unread_count });
}

/** The total is not counted here: not everything it counts is known, and the inbox says it with whatever changes it. */
function count(list: InboxList, id: string, counts: ReadState | null): InboxList {
  const unread = new Map(list.unread);
  if (counts) unread.set(id, counts);
  else unread.delete(id);
  return { ...list, unread };
}

/** Messages, read positions and changes of a message only rise, so whatever has less of any is late. */
function isOlder({ id, last_message_id, last_message, me }: Conversation, list: InboxList): boolean {
  const counts = list.unread.get(id);
  if (!counts) return false;
  if (last_message_id !== counts.last_message_id) return last_message_id < counts.last_message_id;
  const known = list.conversations.find((conversation) => conversation.id === id)?.last_message;
  return me.last_read_id < counts.last_read_id || (last_message?.seq ?? 0) < (known?.seq ?? 0);
}

/** Timestamps are all of one length. */
const newestFirst = (a: Conversation, b: Conversation): number =>
  a.updated_at + a.id < b.updated_at + b.id ? 1 : -1;

const without = (ids: ReadonlySet<string>, { id }: Conversation): ReadonlySet<string> =>
  new Set([...ids].filter((other) => other !== id));
