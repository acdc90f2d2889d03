import type { Conversation, Message, Participant, Role, UserSettings } from "../protocol/entities.ts";
import type { CreateConversation, SearchHit, UpdateSettings } from "../protocol/rest.ts";
import { conversationPath, type Page, type Request, withQuery } from "./request.ts";

/** How far the user has read one conversation, all at one moment. */
export interface ReadState {
  last_read_id: number;
  unread_count: number;
  last_message_id: number;
}

/** What the user has not read. */
export interface UnreadCount {
  total: number;
  conversations: Array<ReadState & { id: string }>;
}

/**
 * Typed calls of the REST API, apart from the client so that whoever needs none does not load them. Each rejects with {@link ChatError}: `NETWORK_ERROR` when no answer came,
 * otherwise the service's code with its HTTP status.
 */
export class ChatApi {
  readonly #request: Request;

  /** @param client its tokens are used */
  constructor(client: { readonly request: Request }) {
    this.#request = client.request;
  }

  /** The user's conversations, newest activity first. @param query `limit` is 1 to 100, default 50 */
  listConversations(query: { limit?: number; cursor?: string } = {}): Promise<Page<Conversation>> {
    return this.#list(withQuery("conversations", query));
  }

  /**
   * Creates a conversation. The same direct pair twice gives the first one back, and so does a group with the same key.
   *
   * @param idempotencyKey the same when it is tried again, for example after an answer that never came; at most 255 printable ASCII characters
   */
  createConversation(
    input: CreateConversation,
    { idempotencyKey }: { idempotencyKey?: string } = {},
  ): Promise<Conversation> {
    const headers = idempotencyKey === undefined ? undefined : { "idempotency-key": idempotencyKey };
    return this.#one("POST", "conversations", input, headers);
  }

  getConversation(id: string): Promise<Conversation> {
    return this.#one("GET", conversationPath(id));
  }

  /** For admins. @param title at most 200 characters; null removes it */
  renameConversation(id: string, title: string | null): Promise<Conversation> {
    return this.#one("PATCH", conversationPath(id), { title });
  }

  /** Deletes it for everybody. For admins. */
  async deleteConversation(id: string): Promise<void> {
    await this.#request("DELETE", conversationPath(id));
  }

  listParticipants(id: string): Promise<Page<Participant>> {
    return this.#list(`${conversationPath(id)}/participants`);
  }

  /** For admins. @param role default `member` */
  addParticipants(id: string, userIds: string[], role?: Role): Promise<Participant[]> {
    return this.#one("POST", `${conversationPath(id)}/participants`, { user_ids: userIds, role });
  }

  /** For admins. The last admin cannot become a member while others remain: `CONFLICT`. */
  changeRole(id: string, userId: string, role: Role): Promise<Participant> {
    return this.#one("PATCH", participantPath(id, userId), { role });
  }

  /** Removes somebody (admins), or oneself (anyone). The last admin cannot leave while others remain: `CONFLICT`. */
  async removeParticipant(id: string, userId: string): Promise<void> {
    await this.#request("DELETE", participantPath(id, userId));
  }

  /**
   * Messages, ids ascending: the page right before `before_id`, right after `after_id`, or the latest.
   *
   * @param query `limit` is 1 to 100, default 50
   */
  listMessages(
    id: string,
    query: { limit?: number; before_id?: number; after_id?: number } = {},
  ): Promise<Page<Message>> {
    return this.#list(withQuery(`${conversationPath(id)}/messages`, query));
  }

  /** Everybody of the conversation sees it. @param emoji one emoji, or a name such as `:party:` */
  addReaction(id: string, messageId: number, emoji: string): Promise<Message> {
    return this.#one("PUT", reactionPath(id, messageId, emoji));
  }

  /** Takes one's own reaction back. */
  removeReaction(id: string, messageId: number, emoji: string): Promise<Message> {
    return this.#one("DELETE", reactionPath(id, messageId, emoji));
  }

  /** Says that everything up to `lastReadId` is read. Never moves back. */
  markRead(id: string, lastReadId: number): Promise<ReadState> {
    return this.#one("PUT", `${conversationPath(id)}/read`, { last_read_id: lastReadId });
  }

  /** Messages of one conversation that contain `q`, newest first. @param query go on with `before_id: next_before_id` */
  searchMessages(
    id: string,
    query: { q: string; limit?: number; before_id?: number },
  ): Promise<Page<SearchHit> & { next_before_id?: number }> {
    return this.#list(withQuery(`${conversationPath(id)}/messages/search`, query));
  }

  /** Messages of all the user's conversations that contain `q`, newest first. @param query go on with `cursor: next_cursor` */
  searchAll(query: { q: string; limit?: number; cursor?: string }): Promise<Page<SearchHit>> {
    return this.#list(withQuery("search", query));
  }

  /** How much is unread, in total and in each conversation. */
  unreadCount(): Promise<UnreadCount> {
    return this.#one("GET", "conversations/unread-count");
  }

  /** What the user decided for all their conversations. */
  getSettings(): Promise<UserSettings> {
    return this.#one("GET", "settings");
  }

  /** Takes effect at once, everywhere. @param changes what is left out stays as it is */
  updateSettings(changes: UpdateSettings): Promise<UserSettings> {
    return this.#one("PATCH", "settings", changes);
  }

  async #one<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
    const reply = (await this.#request(method, path, body, headers)) as { data: T };
    return reply.data;
  }

  async #list<T>(path: string): Promise<Page<T>> {
    return (await this.#request("GET", path)) as Page<T>;
  }
}

const participantPath = (id: string, userId: string): string =>
  `${conversationPath(id)}/participants/${encodeURIComponent(userId)}`;

const reactionPath = (id: string, messageId: number, emoji: string): string =>
  `${conversationPath(id)}/messages/${messageId}/reactions/${encodeURIComponent(emoji)}`;
