/** Where the cache keeps what belongs to the chat. It is one user's: clear `all` when another signs in. */
export const chatKeys = {
  all: ["chat"],
  conversations: ["chat", "conversations"],
  unread: ["chat", "unread"],
  messages: (conversationId: string) => ["chat", "messages", conversationId] as const,
} as const;
