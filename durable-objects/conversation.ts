import { DurableObject } from "cloudflare:workers";
import { type Database, describeError, openDatabase, sqlState } from "../db/client.ts";
import { loadSnapshot } from "../db/conversations.ts";
import {
  readByIds,
  readByTempIds,
  readNewest,
  readUncounted,
  writeDrainBatch,
  writePoison,
} from "../db/messages.ts";
import { onlineAmong, type VersionedSettings } from "../db/presence.ts";
import type { Revocation } from "../db/revocations.ts";
import { CLOSE } from "../protocol/close-codes.ts";
import { refuse } from "../protocol/errors.ts";
import { checkCommand } from "../protocol/frames.ts";
import { HEARTBEAT, SUBPROTOCOL } from "../protocol/version.ts";
import type { MessageCommand } from "./commands.ts";
import { ConversationCore, type ConversationPostgres } from "./conversation-core.ts";
import type { DrainAnswer } from "./drain.ts";
import { type ObjectEnv, platformOf } from "./platform.ts";
import { receiveFrame } from "./receive-frame.ts";
import { CONNECT_HEADER, type ConnectRequest, type InboxRpc, type KnownState } from "./rpc.ts";
import { closeCodeOf, closeQuietly, type SessionAttachment } from "./sessions.ts";

/** The Durable Object of one conversation: a shell that connects {@link ConversationCore} to the platform. */
export class Conversation extends DurableObject<ObjectEnv> {
  readonly #core: ConversationCore<WebSocket>;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    const id = ctx.id.name ?? "";
    this.#core = new ConversationCore<WebSocket>(
      {
        ...platformOf(ctx, env, { conversation_id: id }),
        erase: async () => {
          await ctx.storage.deleteAlarm();
          await ctx.storage.deleteAll();
        },
        random: Math.random,
        postgres: postgresOf(env, id),
        inbox: (userId) => env.INBOXES.get(env.INBOXES.idFromName(userId)) as unknown as InboxRpc,
      },
      id,
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
    const { caller, ...options }: ConnectRequest = JSON.parse(decodeURIComponent(header));
    const { 0: client, 1: server } = new WebSocketPair();
    const admitted = await this.#core.connect(server, caller, options, (attachment: SessionAttachment) => {
      this.ctx.acceptWebSocket(server);
      server.serializeAttachment(attachment);
    });
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
      receiveFrame(this.#core, checkCommand, socket, frame);
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

  execute(userId: string, input: MessageCommand) {
    return this.#core.execute(userId, input);
  }

  page(userId: string, range: Parameters<ConversationCore<WebSocket>["page"]>[1]) {
    return this.#core.page(userId, range);
  }

  summary(userId: string) {
    return this.#core.summary(userId);
  }

  participants(userId: string) {
    return this.#core.participantsFor(userId);
  }

  read(userId: string, lastReadId: number) {
    return this.#core.read(userId, lastReadId);
  }

  searchTail(userId: string, query: string, beforeId?: number) {
    return this.#core.searchTail(userId, query, beforeId);
  }

  revoke(revocation: Revocation) {
    return this.#core.revoke(revocation);
  }

  lease(userId: string, lease: { turn: number; untilMs: number }, known: KnownState | null) {
    return this.#core.lease(userId, lease, known);
  }

  release(userId: string, turn: number, lastSeenMs: number | null) {
    return this.#core.release(userId, turn, lastSeenMs);
  }

  settingsChanged(userId: string, settings: VersionedSettings) {
    return this.#core.settingsChanged(userId, settings);
  }

  versionChanged(version: number) {
    return this.#core.versionChanged(version);
  }

  inspect() {
    return this.#core.inspect();
  }
}

/** Data exception, integrity violation, program limit: what a message contains, not the state of the server. */
const REFUSED_CLASSES = ["22", "23", "54"];
/** Foreign key violation: the conversation is missing in this database, which no message is to blame for. */
const NO_CONVERSATION = "23503";

function postgresOf(env: ObjectEnv, conversationId: string): ConversationPostgres {
  // Opened at the first use: an alarm with a wrong setting is then a failed drain, to be tried again, and not an
  // object that cannot be constructed.
  let opened: Database | undefined;
  const open = (): Database => {
    opened ??= openDatabase({ url: env.DATABASE_URL ?? "", fetchEndpoint: env.NEON_FETCH_ENDPOINT });
    return opened;
  };
  return {
    loadSnapshot: async (sinceVersion, forUser) =>
      loadSnapshot(open(), conversationId, sinceVersion, forUser),
    readNewest: async (limit, beforeId) => readNewest(open(), conversationId, limit, beforeId),
    readUncounted: async (beforeId) => readUncounted(open(), conversationId, beforeId),
    readByIds: async (ids) => readByIds(open(), conversationId, ids),
    readByTempIds: async (keys) => readByTempIds(open(), conversationId, keys),
    onlineAmong: async (userIds) => onlineAmong(open(), userIds),
    write: async (batch): Promise<DrainAnswer> => {
      try {
        await writeDrainBatch(open(), { conversationId, ...batch });
        return { outcome: "written" };
      } catch (error) {
        const state = sqlState(error);
        const text = describeError(error);
        return state !== undefined && state !== NO_CONVERSATION && REFUSED_CLASSES.includes(state.slice(0, 2))
          ? { outcome: "refused", sqlState: state, error: text }
          : { outcome: "failed", error: text };
      }
    },
    report: async ({ message }, { sqlState: state, error }) =>
      writePoison(open(), [
        { conversationId, messageId: message.id, seq: message.seq, sqlState: state, error },
      ]),
  };
}
