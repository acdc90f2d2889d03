import type { QueryClient } from "@tanstack/react-query";
import type {
  ChatClient,
  Conversation,
  ConversationState,
  InboxState,
  Message,
  Page,
  UnreadCount,
  Unsubscribe,
} from "../index.ts";
import { register } from "./followed.ts";
import { chatKeys } from "./keys.ts";

/**
 * Keeps the conversations and the unread counts of the cache current until the returned function is called. Queries ask
 * the service no more meanwhile. The client is connected by the application.
 *
 * @returns ends it; what the cache holds counts as stale from then on
 */
export function followConversations(chat: ChatClient, queryClient: QueryClient): Unsubscribe {
  const handle = chat.joinInbox();
  const ends = [
    follow(chat, queryClient, handle, chatKeys.conversations, conversationsOf),
    follow(chat, queryClient, handle, chatKeys.unread, unreadOf),
  ];
  return () => {
    for (const end of ends) end();
    handle.leave();
  };
}

/**
 * Keeps the messages of one conversation current. Otherwise as {@link followConversations}. While the conversation is
 * closed, queries ask the service again; when the user, having been removed, is added again, it goes on by itself, as
 * long as anything follows the inbox.
 */
export function followMessages(chat: ChatClient, queryClient: QueryClient, id: string): Unsubscribe {
  const handle = chat.joinConversation(id);
  const end = follow(chat, queryClient, handle, chatKeys.messages(id), messagesOf);
  return () => {
    end();
    handle.leave();
  };
}

interface Joined<State> {
  readonly state: State;
  subscribe(callback: () => void): Unsubscribe;
}

/** @param toData undefined while the state says nothing */
function follow<State, Data>(
  chat: ChatClient,
  queryClient: QueryClient,
  handle: Joined<State>,
  queryKey: readonly unknown[],
  toData: (state: State) => Data | undefined,
): Unsubscribe {
  const read = () => toData(handle.state);
  const write = () => {
    const data = read();
    if (data !== undefined) queryClient.setQueryData(queryKey, data);
  };
  const unregister = register(chat, queryKey, read);
  const unsubscribe = handle.subscribe(write);
  write();
  let isFollowing = true;
  return () => {
    if (!isFollowing) return;
    isFollowing = false;
    unsubscribe();
    unregister();
    void queryClient.invalidateQueries({ queryKey, exact: true, refetchType: "none" });
  };
}

function conversationsOf(state: InboxState): Page<Conversation> | undefined {
  const { status, settings, conversations, has_more } = state;
  return settings && status !== "closed" ? { data: [...conversations], has_more } : undefined;
}

function unreadOf({ status, settings, unread_total, unread }: InboxState): UnreadCount | undefined {
  if (!settings || status === "closed") return undefined;
  return { total: unread_total, conversations: [...unread].map(([id, counts]) => ({ id, ...counts })) };
}

function messagesOf(state: ConversationState): Page<Message> | undefined {
  const { status, conversation, messages, has_older } = state;
  return conversation && status !== "closed" ? { data: [...messages], has_more: has_older } : undefined;
}
