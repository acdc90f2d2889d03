import { useCallback, useMemo } from "react";
import type { InboxHandle, InboxState, Presence } from "../index.ts";
import { useHub } from "./context.ts";
import { isSameInside, useSelected } from "./use-selected.ts";

/** The user's conversations and how to load more of them. */
export interface ConversationsState
  extends Pick<InboxState, "status" | "reason" | "conversations" | "has_more" | "loading_more" | "settings">,
    Pick<InboxHandle, "loadMore"> {}

/** Any name does: there is one inbox. */
const INBOX = "";

/** The user's conversations, newest activity first. Follows the inbox while the component is mounted. */
export function useConversations(): ConversationsState {
  const { inbox } = useHub();
  const list = useInboxSelector(listOf, isSameInside);
  const loadMore = useCallback(() => inbox.use(INBOX, (handle) => handle.loadMore()), [inbox]);
  return useMemo(() => ({ ...list, loadMore }), [list, loadMore]);
}

/** How much is unread: in one conversation, or in all. Renders again only when that number changes. */
export function useUnreadCount(conversationId?: string): number {
  return useInboxSelector(({ unread, unread_total }) =>
    conversationId === undefined ? unread_total : (unread.get(conversationId)?.unread_count ?? 0),
  );
}

/**
 * Whether another user is there, as far as the inbox was told while it was last live. Renders again only when that
 * changes.
 */
export function useUserPresence(userId: string): Presence {
  return useInboxSelector(({ presence }) => presence.get(userId) ?? AWAY);
}

/**
 * A part of the inbox's state: the component renders again only when that part changes.
 *
 * @param select best declared outside the component, or memoised
 * @param isEqual for results that are made anew each time. Default: `Object.is`
 */
export function useInboxSelector<Value>(
  select: (state: InboxState) => Value,
  isEqual?: (a: Value, b: Value) => boolean,
): Value {
  const { inbox } = useHub();
  const source = useMemo(() => inbox.source(INBOX), [inbox]);
  return useSelected(source, select, isEqual);
}

const AWAY: Presence = Object.freeze({ online: false, last_seen_at: null });

const listOf = ({ status, reason, conversations, has_more, loading_more, settings }: InboxState) => ({
  status,
  reason,
  conversations,
  has_more,
  loading_more,
  settings,
});
