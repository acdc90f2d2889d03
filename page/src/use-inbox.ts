import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import {
  ChatApi,
  type ChatClient,
  type InboxHandle,
  type InboxState,
  type UserSettings,
} from "../../client/index.ts";
import type { Conversation, Participant } from "../../protocol/entities.ts";
import { type Connectivity, connectivityOf, useIsLastingOffline } from "./connectivity.ts";

export interface ConversationList {
  status: "loading" | "ready";
  conversations: readonly Conversation[];
  participants: ReadonlyMap<string, readonly Participant[]>;
  unread: InboxState["unread"];
  unreadTotal: number;
  /** Whether that user is online, as far as it is known. */
  isOnline(userId: string): boolean;
  settings: UserSettings | null;
  connectivity: Connectivity;
  reason: InboxState["reason"];
  /** Whether it has been offline for long enough to say so. */
  isCutOff: boolean;
  /** Why older conversations could not be loaded. */
  error: unknown;
  hasMore: boolean;
  loadMore(): void;
  tryNow(): void;
}

/** The user's conversations, newest activity first, as the inbox keeps them. */
export function useInbox(chat: ChatClient): ConversationList {
  const state = useInboxState(chat);
  const { handle, inbox } = state;
  const [error, setError] = useState<unknown>(null);
  const conversations = inbox?.conversations ?? NONE;
  const participants = useParticipants(chat, conversations);
  const connectivity = inbox ? connectivityOf(inbox) : "connecting";
  const isCutOff = useIsLastingOffline(connectivity) || connectivity === "closed";

  const loadMore = useCallback(() => {
    setError(null);
    handle?.loadMore().catch(setError);
  }, [handle]);
  // A connection that waits for its next attempt starts anew only after an end.
  const tryNow = useCallback(() => {
    chat.disconnect();
    chat.connect();
  }, [chat]);

  return {
    status: inbox?.settings ? "ready" : "loading",
    conversations,
    participants,
    unread: inbox?.unread ?? NO_COUNTS,
    unreadTotal: inbox?.unread_total ?? 0,
    isOnline: (userId) => !isCutOff && inbox?.presence.get(userId)?.online === true,
    settings: inbox?.settings ?? null,
    connectivity,
    reason: inbox?.reason ?? null,
    isCutOff,
    error,
    hasMore: inbox?.has_more ?? false,
    loadMore,
    tryNow,
  };
}

const NONE: readonly Conversation[] = [];
const NO_COUNTS: InboxState["unread"] = new Map();

function useInboxState(chat: ChatClient): { handle: InboxHandle | null; inbox: InboxState | null } {
  const [handle, setHandle] = useState<InboxHandle | null>(null);
  useEffect(() => {
    const joined = chat.joinInbox();
    setHandle(joined);
    return () => joined.leave();
  }, [chat]);
  const inbox = useSyncExternalStore(handle?.subscribe ?? neverChanges, () => handle?.state ?? null);
  return { handle, inbox };
}

const neverChanges = () => () => undefined;

/** Who is in the conversations that have no title, because their names are what the list shows. */
function useParticipants(chat: ChatClient, conversations: readonly Conversation[]) {
  const [participants, setParticipants] = useState<ReadonlyMap<string, readonly Participant[]>>(new Map());
  const askedAt = useRef(new Map<string, number>());
  useEffect(() => {
    for (const { id, title, participant_count } of conversations) {
      if (title !== null || askedAt.current.get(id) === participant_count) continue;
      askedAt.current.set(id, participant_count);
      new ChatApi(chat).listParticipants(id).then(
        ({ data }) => setParticipants((previous) => new Map(previous).set(id, data)),
        () => askedAt.current.delete(id),
      );
    }
  }, [chat, conversations]);
  return participants;
}
