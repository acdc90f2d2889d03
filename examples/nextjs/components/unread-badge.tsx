"use client";

import { useInboxSelector, useUnreadCount } from "@arcyou/chat-client/react";

interface Props {
  /** Default: all of them. */
  conversationId?: string;
  /** What the server counted, until the inbox is known here. */
  before?: number;
}

export function UnreadBadge({ conversationId, before = 0 }: Props) {
  const isKnown = useInboxSelector((inbox) => inbox.settings !== null);
  const live = useUnreadCount(conversationId);
  const count = isKnown ? live : before;
  if (count === 0) return null;
  return (
    <span className="badge" role="status" aria-label={`${count} unread`}>
      {count}
    </span>
  );
}
