import { LIMITS } from "../protocol/limits.ts";
import type { Database } from "./client.ts";
import {
  type ListedConversation,
  listConversationsQuery,
  listUnreadQuery,
  toCursor,
  toListedConversations,
  toUnread,
  type Unread,
} from "./conversations.ts";
import { readSettingsQuery, toSettings, type VersionedSettings } from "./presence.ts";

/** What is in a user's inbox, as Postgres knows it. */
export interface InboxContents {
  /** The newest conversations. */
  page: ListedConversation[];
  /** Where the list goes on; null when that is all. */
  nextCursor: string | null;
  /** Counts of the conversations that an inbox follows, newest activity first. */
  followed: Unread[];
  /** What is unread in each of the others. */
  others: Array<[id: string, unreadCount: number]>;
  settings: VersionedSettings;
}

/**
 * Reads an inbox in one request. The parts are not of one moment: what is newer than Postgres is told after them in any
 * case.
 */
export async function loadInbox(db: Database, userId: string): Promise<InboxContents> {
  const [conversations, counts, settings] = await db.batch([
    listConversationsQuery(db, { userId, limit: LIMITS.pageSizeDefault + 1 }),
    listUnreadQuery(db, userId),
    readSettingsQuery(db, userId),
  ]);
  const listed = toListedConversations(conversations);
  const unread = toUnread(counts);
  const page = listed.slice(0, LIMITS.pageSizeDefault);
  const last = page.at(-1)?.conversation;
  return {
    page,
    nextCursor: listed.length > page.length && last ? toCursor(last) : null,
    followed: unread.slice(0, LIMITS.inboxConversations),
    others: unread.slice(LIMITS.inboxConversations).map(({ id, unread_count }) => [id, unread_count]),
    settings: toSettings(settings),
  };
}
