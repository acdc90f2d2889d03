export {
  type ConversationStore,
  type ConversationStoreState,
  createConversationStore,
} from "./conversation-store.ts";
export { createInboxStore, type InboxStore, type InboxStoreState } from "./inbox-store.ts";
