import { mutationOptions, queryOptions } from "@tanstack/react-query";
import { ChatApi, type ChatClient, type MessageInput } from "../index.ts";
import { newest } from "./followed.ts";
import { chatKeys } from "./keys.ts";

/**
 * The user's conversations, newest activity first: the first page, or, while `followConversations` runs, all that are
 * loaded.
 *
 * @example
 * const { data } = useQuery(conversationsQueryOptions(chat));
 */
export function conversationsQueryOptions(chat: ChatClient) {
  const queryKey = chatKeys.conversations;
  return queryOptions({
    queryKey,
    queryFn: () => newest(chat, queryKey, () => new ChatApi(chat).listConversations()),
  });
}

/** How much is unread, in total and in each conversation. `followConversations` keeps it current. */
export function unreadQueryOptions(chat: ChatClient) {
  const queryKey = chatKeys.unread;
  return queryOptions({
    queryKey,
    queryFn: () => newest(chat, queryKey, () => new ChatApi(chat).unreadCount()),
  });
}

/** The latest messages of a conversation, ids ascending, or, while `followMessages` runs, all that are loaded. */
export function messagesQueryOptions(chat: ChatClient, id: string) {
  const queryKey = chatKeys.messages(id);
  return queryOptions({
    queryKey,
    queryFn: () => newest(chat, queryKey, () => new ChatApi(chat).listMessages(id)),
  });
}

/** Sends a message. It is kept and repeated by the client itself, so the mutation neither pauses offline nor retries. */
export function sendMessageOptions(chat: ChatClient, id: string) {
  return mutationOptions({
    mutationKey: [...chatKeys.messages(id), "send"],
    mutationFn: (body: MessageInput) => chat.sendMessage(id, body),
    networkMode: "always",
    retry: false,
  });
}
