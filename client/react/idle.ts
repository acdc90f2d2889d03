import type { ConversationState, InboxState, StorageState } from "../index.ts";

/** A conversation before it is joined, on the server, and where there is none. */
export const IDLE_CONVERSATION: ConversationState = Object.freeze({
  status: "disconnected",
  reason: null,
  conversation: null,
  participants: [],
  messages: [],
  pending: [],
  typing: [],
  has_older: false,
  loading_older: false,
  last_message_id: 0,
  seq: 0,
  epoch: null,
});

/** The inbox before it is joined, and on the server. */
export const IDLE_INBOX: InboxState = Object.freeze({
  status: "disconnected",
  reason: null,
  conversations: [],
  has_more: false,
  loading_more: false,
  unread_total: 0,
  unread: new Map(),
  presence: new Map(),
  settings: null,
});

/** What a server knows of a browser's disk. */
export const NO_STORAGE: StorageState = Object.freeze({ kept: "memory", reason: "unavailable" });
