import type { ChatClient, InboxHandle, InboxState } from "../index.ts";
import { type LiveStore, mirror } from "./mirror.ts";

/** All of a user's conversations and how to load more of them. */
export type InboxStoreState = InboxState & Pick<InboxHandle, "loadMore">;

/** Made by {@link createInboxStore}. */
export type InboxStore = LiveStore<InboxStoreState>;

/** Follows the user's conversations in a vanilla Zustand store until `destroy`. The application connects the client. */
export function createInboxStore(chat: ChatClient): InboxStore {
  const handle = chat.joinInbox();
  return mirror<InboxState, Pick<InboxHandle, "loadMore">>(handle, { loadMore: () => handle.loadMore() });
}
