import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from "../protocol/version.ts";
import { BenchSocket } from "./websocket.ts";

/** What a conversation is to a user, as their inbox says. */
export interface Shown {
  head: number;
  lastReadId: number;
  unread: number;
}

interface Told {
  type: string;
  total?: number;
  user_id?: string;
  online?: boolean;
  conversation?: { id: string; last_message_id: number; me: { last_read_id: number; unread_count: number } };
  conversation_id?: string;
  unread?: {
    total: number;
    conversations: Array<{ id: string; unread_count: number; last_read_id: number; last_message_id: number }>;
  };
}

/** An open inbox that believes what it is told, and nothing else. */
export class InboxClient {
  readonly userId: string;
  readonly shown = new Map<string, Shown>();
  /** Who is online, as far as it was told. */
  readonly online = new Set<string>();
  total = 0;
  notices = 0;
  readyMs = Number.NaN;
  syncedMs = Number.NaN;
  #socket: BenchSocket | null = null;
  readonly #onNotice: (id: string, head: number) => void;

  private constructor(userId: string, onNotice: (id: string, head: number) => void) {
    this.userId = userId;
    this.#onNotice = onNotice;
  }

  /** Resolves with `synced`. */
  static async open(
    url: URL,
    userId: string,
    onNotice: (id: string, head: number) => void = () => {},
  ): Promise<InboxClient> {
    const inbox = new InboxClient(userId, onNotice);
    const from = performance.now();
    await new Promise<void>((resolve, reject) => {
      const protocols = [SUBPROTOCOL, `${BEARER_SUBPROTOCOL_PREFIX}${userId}`];
      BenchSocket.open(new URL("/api/inbox/socket", url), protocols, (payload) => {
        const value: Told | Told[] = JSON.parse(payload.toString());
        for (const event of Array.isArray(value) ? value : [value]) {
          inbox.#take(event);
          if (event.type === "ready") inbox.readyMs = performance.now() - from;
          if (event.type !== "synced") continue;
          inbox.syncedMs = performance.now() - from;
          resolve();
        }
      }).then((socket) => {
        inbox.#socket = socket;
        socket.keepAlive();
        socket.onBroken = (reason) => reject(new Error(`An inbox ended: ${reason}`));
      }, reject);
    });
    return inbox;
  }

  close(): void {
    this.#socket?.close();
  }

  #take(event: Told): void {
    if (event.type === "ready" && event.unread) {
      this.total = event.unread.total;
      for (const { id, last_message_id, last_read_id, unread_count } of event.unread.conversations)
        this.shown.set(id, { head: last_message_id, lastReadId: last_read_id, unread: unread_count });
    } else if (event.type === "unread.updated" && event.total !== undefined) {
      this.total = event.total;
    } else if (event.type === "presence.updated" && event.user_id !== undefined) {
      if (event.online) this.online.add(event.user_id);
      else this.online.delete(event.user_id);
    } else if (event.type === "conversation.removed" && event.conversation_id !== undefined) {
      this.shown.delete(event.conversation_id);
    } else if (event.conversation) {
      const { id, last_message_id: head, me } = event.conversation;
      this.notices += 1;
      this.shown.set(id, { head, lastReadId: me.last_read_id, unread: me.unread_count });
      this.#onNotice(id, head);
    }
  }
}
