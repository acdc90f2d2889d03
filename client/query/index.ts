export { followConversations, followMessages } from "./follow.ts";
export { chatKeys } from "./keys.ts";
export {
  conversationsQueryOptions,
  messagesQueryOptions,
  sendMessageOptions,
  unreadQueryOptions,
} from "./options.ts";
