import { useCallback, useEffect, useRef, useState } from "react";
import type { ChatClient } from "../../client/index.ts";
import type { Conversation, Message, Participant } from "../../protocol/entities.ts";

const PAGE_SIZE = 50;

export interface ConversationList {
  status: "loading" | "ready";
  conversations: readonly Conversation[];
  participants: ReadonlyMap<string, readonly Participant[]>;
  /** Why the last request failed; null once one succeeds. */
  error: unknown;
  hasMore: boolean;
  refresh(): void;
  /** Shows at once what an open conversation knows before the next refresh does. */
  see(id: string, title: string | null, last: Message | null): void;
  loadMore(): void;
}

/**
 * The user's conversations, newest activity first. Read again when the window gets the focus and when
 * `refresh` is called.
 */
export function useConversations(chat: ChatClient): ConversationList {
  const [status, setStatus] = useState<"loading" | "ready">("loading");
  const [conversations, setConversations] = useState<readonly Conversation[]>([]);
  const [error, setError] = useState<unknown>(null);
  const [nextCursor, setNextCursor] = useState<string | null>(null);
  const generation = useRef(0);
  const hasPages = useRef(false);

  const refresh = useCallback(async () => {
    generation.current += 1;
    const mine = generation.current;
    try {
      const page = await chat.api.listConversations({ limit: PAGE_SIZE });
      if (mine !== generation.current) return;
      setConversations((previous) => (hasPages.current ? mergePages(page.data, previous) : page.data));
      if (!hasPages.current) setNextCursor(page.has_more ? (page.next_cursor ?? null) : null);
      setError(null);
      setStatus("ready");
    } catch (caught) {
      if (mine === generation.current) setError(caught);
    }
  }, [chat]);

  const loadMore = useCallback(async () => {
    if (!nextCursor) return;
    try {
      const page = await chat.api.listConversations({ limit: PAGE_SIZE, cursor: nextCursor });
      hasPages.current = true;
      setConversations((previous) => mergePages(previous, page.data));
      setNextCursor(page.has_more ? (page.next_cursor ?? null) : null);
      setError(null);
    } catch (caught) {
      setError(caught);
    }
  }, [chat, nextCursor]);

  const see = useCallback((id: string, title: string | null, last: Message | null) => {
    setConversations((previous) => withNews(previous, id, title, last));
  }, []);

  useEffect(() => {
    refresh();
    const onVisible = () => {
      if (document.visibilityState === "visible") refresh();
    };
    window.addEventListener("focus", refresh);
    window.addEventListener("online", refresh);
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      generation.current += 1;
      window.removeEventListener("focus", refresh);
      window.removeEventListener("online", refresh);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [refresh]);

  const participants = useParticipants(chat, conversations);
  return { status, conversations, participants, error, hasMore: nextCursor !== null, refresh, see, loadMore };
}

function withNews(
  conversations: readonly Conversation[],
  id: string,
  title: string | null,
  last: Message | null,
): readonly Conversation[] {
  const known = conversations.find((conversation) => conversation.id === id);
  if (!known) return conversations;
  const knownLast = known.last_message;
  const isNews = last !== null && (knownLast === null || last.seq > knownLast.seq);
  if (!isNews && title === known.title) return conversations;
  const updated = { ...known, title, last_message: isNews ? last : knownLast };
  if (!isNews || last.id === knownLast?.id) {
    return conversations.map((conversation) => (conversation.id === id ? updated : conversation));
  }
  return [updated, ...conversations.filter((conversation) => conversation.id !== id)];
}

/** `first` as it is, then what only `rest` has. */
function mergePages(first: readonly Conversation[], rest: readonly Conversation[]): readonly Conversation[] {
  const known = new Set(first.map(({ id }) => id));
  return [...first, ...rest.filter(({ id }) => !known.has(id))];
}

/** Who is in the conversations that have no title, because their names are what the list shows. */
function useParticipants(chat: ChatClient, conversations: readonly Conversation[]) {
  const [participants, setParticipants] = useState<ReadonlyMap<string, readonly Participant[]>>(new Map());
  const askedAt = useRef(new Map<string, number>());
  useEffect(() => {
    for (const { id, title, participant_count } of conversations) {
      if (title !== null || askedAt.current.get(id) === participant_count) continue;
      askedAt.current.set(id, participant_count);
      chat.api.listParticipants(id).then(
        ({ data }) => setParticipants((previous) => new Map(previous).set(id, data)),
        () => askedAt.current.delete(id),
      );
    }
  }, [chat, conversations]);
  return participants;
}
