import type { Conversation, Message, Participant, Role, UserSettings } from "../protocol/entities.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import type { CreateConversation, SearchHit, UpdateSettings } from "../protocol/rest.ts";
import type { Environment } from "./environment.ts";
import { ChatError } from "./errors.ts";
import { Timer } from "./timer.ts";

/** One page of a list. */
export interface Page<T> {
  data: T[];
  /** Whether there is more in the direction asked. */
  has_more: boolean;
  /** For `cursor`, where the list has cursors. */
  next_cursor?: string | null;
}

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
 * Typed calls of the REST API. Each rejects with {@link ChatError}: `NETWORK_ERROR` when no answer came,
 * otherwise the service's code with its HTTP status.
 */
export class ChatApi {
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  /** The user's conversations, newest activity first. @param query `limit` is 1 to 100, default 50 */
  listConversations(query: { limit?: number; cursor?: string } = {}): Promise<Page<Conversation>> {
    return this.#list(`conversations${search(query)}`);
  }

  /** Creates a conversation. The same direct pair twice gives the first one back. */
  createConversation(input: CreateConversation): Promise<Conversation> {
    return this.#one("POST", "conversations", input);
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

  /** Removes somebody (admins), or oneself (anyone). The last admin cannot leave while others remain: `CONFLICT`. */
  async removeParticipant(id: string, userId: string): Promise<void> {
    await this.#request("DELETE", `${conversationPath(id)}/participants/${encodeURIComponent(userId)}`);
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
    return this.#list(`${conversationPath(id)}/messages${search(query)}`);
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
    return this.#list(`${conversationPath(id)}/messages/search${search(query)}`);
  }

  /** Messages of all the user's conversations that contain `q`, newest first. @param query go on with `cursor: next_cursor` */
  searchAll(query: { q: string; limit?: number; cursor?: string }): Promise<Page<SearchHit>> {
    return this.#list(`search${search(query)}`);
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

  async #one<T>(method: string, path: string, body?: unknown): Promise<T> {
    const reply = (await this.#request(method, path, body)) as { data: T };
    return reply.data;
  }

  async #list<T>(path: string): Promise<Page<T>> {
    return (await this.#request("GET", path)) as Page<T>;
  }

  async #request(method: string, path: string, body?: unknown): Promise<unknown> {
    const { fetch, httpUrl, requestTimeoutMs, token } = this.#env;
    const abort = new AbortController();
    const timeout = new Timer(this.#env, () => abort.abort());
    timeout.start(requestTimeoutMs);
    try {
      const response = await fetch(`${httpUrl}/api/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${await token()}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: abort.signal,
      });
      const text = await response.text();
      const reply = parse(text);
      if (response.ok && (text === "" || reply !== undefined)) return reply;
      throw toError(response.status, reply);
    } catch (error) {
      throw error instanceof ChatError
        ? error
        : ChatError.network("The service could not be reached.", error);
    } finally {
      timeout.stop();
    }
  }
}

const reactionPath = (id: string, messageId: number, emoji: string): string =>
  `${conversationPath(id)}/messages/${messageId}/reactions/${encodeURIComponent(emoji)}`;
const conversationPath = (id: string): string => `conversations/${encodeURIComponent(id)}`;

function search(query: Record<string, string | number | undefined>): string {
  const given = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toError(status: number, reply: unknown): ChatError {
  if (typeof reply === "object" && reply !== null && "error" in reply && ChatError.isWire(reply.error)) {
    return ChatError.fromWire(reply.error, status);
  }
  // Not the service but something in front of it.
  return new ChatError(codeOf(status), `The service answered with status ${status}.`, {
    retryable: status === 429 || status >= 500,
    status,
  });
}

function codeOf(status: number): ErrorCode {
  switch (status) {
    case 401:
      return "UNAUTHORIZED";
    case 403:
      return "FORBIDDEN";
    case 404:
      return "NOT_FOUND";
    case 413:
      return "PAYLOAD_TOO_LARGE";
    case 429:
      return "RATE_LIMITED";
    case 502:
    case 503:
    case 504:
      return "SERVICE_UNAVAILABLE";
    default:
      return "INTERNAL_ERROR";
  }
}
