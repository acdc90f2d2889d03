import { DurableObject } from "cloudflare:workers";
import { type Database, describeError, openDatabase } from "../db/client.ts";
import { getConversation } from "../db/conversations.ts";
import { loadInbox } from "../db/inbox.ts";
import { saveOffline, saveOnline, type VersionedSettings } from "../db/presence.ts";
import type { Revocation } from "../db/revocations.ts";
import { CLOSE } from "../protocol/close-codes.ts";
import { refuse } from "../protocol/errors.ts";
import { checkInboxCommand } from "../protocol/frames.ts";
import { HEARTBEAT, SUBPROTOCOL } from "../protocol/version.ts";
import { InboxCore, type InboxPostgres } from "./inbox-core.ts";
import { type ObjectEnv, platformOf } from "./platform.ts";
import { receiveFrame } from "./receive-frame.ts";
import { CONNECT_HEADER, type ConnectRequest, type ConversationRpc, type Notice } from "./rpc.ts";
import { closeCodeOf, closeQuietly, type SessionAttachment } from "./sessions.ts";

/** The Durable Object of one user's inbox: a shell that connects {@link InboxCore} to the platform. */
export class Inbox extends DurableObject<ObjectEnv> {
  readonly #core: InboxCore<WebSocket>;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    const userId = ctx.id.name ?? "";
    this.#core = new InboxCore<WebSocket>(
      {
        ...platformOf(ctx, env, {}),
        postgres: postgresOf(env, userId),
        conversation: (id) =>
          env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(id)) as unknown as ConversationRpc,
      },
      userId,
    );
    void ctx.blockConcurrencyWhile(async () => this.#core.restoreAlarm(await ctx.storage.getAlarm()));
    for (const socket of ctx.getWebSockets()) {
      if (socket.readyState === WebSocket.OPEN) this.#core.restore(socket, socket.deserializeAttachment());
    }
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(HEARTBEAT.ping, HEARTBEAT.pong));
  }

  /** Upgrades only; everything else is RPC. */
  override async fetch(request: Request): Promise<Response> {
    const header = request.headers.get(CONNECT_HEADER);
    if (header === null) return new Response(null, { status: 404 });
    const { caller, expiresAt, clientId }: ConnectRequest = JSON.parse(decodeURIComponent(header));
    const { 0: client, 1: server } = new WebSocketPair();
    const admitted = await this.#core.connect(
      server,
      caller,
      { expiresAt, clientId },
      (attachment: SessionAttachment) => {
        this.ctx.acceptWebSocket(server);
        server.serializeAttachment(attachment);
      },
    );
    if (!admitted.ok) {
      server.accept();
      closeQuietly(server, closeCodeOf(admitted.error), admitted.error.message);
    }
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { "Sec-WebSocket-Protocol": SUBPROTOCOL },
    });
  }

  override webSocketMessage(socket: WebSocket, frame: string | ArrayBuffer): void {
    // An exception here would leave the socket open and unanswered.
    try {
      receiveFrame(this.#core, checkInboxCommand, socket, frame);
    } catch (error) {
      console.error(JSON.stringify({ event: "frame_failed", error: describeError(error) }));
      this.#core.sendError(socket, refuse("INTERNAL_ERROR", "Something went wrong here.").error);
    }
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    this.#core.disconnect(socket);
    // The runtime does not answer a close by itself.
    closeQuietly(socket, code, reason);
  }

  override webSocketError(socket: WebSocket): void {
    this.#core.disconnect(socket);
    closeQuietly(socket, CLOSE.done, "");
  }

  override alarm(): Promise<void> {
    return this.#core.wake();
  }

  notify(notice: Notice) {
    return this.#core.notify(notice);
  }

  refresh(conversationId: string) {
    return this.#core.refresh(conversationId);
  }

  settingsChanged(settings: VersionedSettings) {
    return this.#core.settingsChanged(settings);
  }

  revoke(revocation: Revocation) {
    return this.#core.revoke(revocation);
  }

  inspect() {
    return this.#core.inspect();
  }
}

function postgresOf(env: ObjectEnv, userId: string): InboxPostgres {
  // Opened at the first use: with a wrong setting a request fails, and not the object.
  let opened: Database | undefined;
  const open = (): Database => {
    opened ??= openDatabase({ url: env.DATABASE_URL ?? "", fetchEndpoint: env.NEON_FETCH_ENDPOINT });
    return opened;
  };
  return {
    saveOnline: async (untilMs) => saveOnline(open(), userId, untilMs),
    saveOffline: async (lastSeenMs) => saveOffline(open(), userId, lastSeenMs),
    load: async () => loadInbox(open(), userId),
    find: async (conversationId) => getConversation(open(), conversationId, userId),
  };
}
