import { DurableObject } from "cloudflare:workers";
import { describeError } from "../db/client.ts";
import type { Revocation } from "../db/revocations.ts";
import { CLOSE } from "../protocol/close-codes.ts";
import { type Result, refuse } from "../protocol/errors.ts";
import type { Check } from "../protocol/validation.ts";
import { HEARTBEAT, SUBPROTOCOL } from "../protocol/version.ts";
import type { ObjectEnv } from "./platform.ts";
import { type FrameReceiver, receiveFrame } from "./receive-frame.ts";
import { CONNECT_HEADER, type ConnectRequest } from "./rpc.ts";
import { closeCodeOf, closeQuietly, type SessionAttachment } from "./sessions.ts";

/** What has sockets, apart from the platform. */
export interface SocketCore<Command> extends FrameReceiver<WebSocket, Command> {
  /** Takes over the alarm that is set, Unix milliseconds; null when none is. */
  restoreAlarm(timeMs: number | null): void;
  /** Takes over a socket that outlived the object's memory. */
  restore(socket: WebSocket, attachment: SessionAttachment): void;
  /** Calls `accept` before it says anything over the socket. */
  connect(
    socket: WebSocket,
    caller: ConnectRequest["caller"],
    options: Omit<ConnectRequest, "caller">,
    accept: (attachment: SessionAttachment) => void,
  ): Promise<Result<void>>;
  /** An alarm. */
  wake(): Promise<void>;
  revoke(revocation: Revocation): Promise<Result<void>>;
}

/** A Durable Object with sockets that hibernate: a shell that connects its core to the platform. */
export abstract class SocketObject<
  Command,
  Core extends SocketCore<Command>,
> extends DurableObject<ObjectEnv> {
  protected readonly core: Core;
  readonly #check: Check<Command>;

  constructor(ctx: DurableObjectState, env: ObjectEnv, core: Core, check: Check<Command>) {
    super(ctx, env);
    this.core = core;
    this.#check = check;
    void ctx.blockConcurrencyWhile(async () => core.restoreAlarm(await ctx.storage.getAlarm()));
    for (const socket of ctx.getWebSockets()) {
      if (socket.readyState === WebSocket.OPEN) core.restore(socket, socket.deserializeAttachment());
    }
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(HEARTBEAT.ping, HEARTBEAT.pong));
  }

  /** Upgrades only; everything else is RPC. */
  override async fetch(request: Request): Promise<Response> {
    const header = request.headers.get(CONNECT_HEADER);
    if (header === null) return new Response(null, { status: 404 });
    const { caller, ...options }: ConnectRequest = JSON.parse(decodeURIComponent(header));
    const { 0: client, 1: server } = new WebSocketPair();
    const admitted = await this.core.connect(server, caller, options, (attachment) => {
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
      receiveFrame(this.core, this.#check, socket, frame);
    } catch (error) {
      console.error(JSON.stringify({ event: "frame_failed", error: describeError(error) }));
      this.core.sendError(socket, refuse("INTERNAL_ERROR", "Something went wrong here.").error, {});
    }
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    this.core.disconnect(socket);
    // The runtime does not answer a close by itself.
    closeQuietly(socket, code, reason);
  }

  override webSocketError(socket: WebSocket): void {
    this.core.disconnect(socket);
    closeQuietly(socket, CLOSE.done, "");
  }

  override alarm(): Promise<void> {
    return this.core.wake();
  }

  revoke(revocation: Revocation) {
    return this.core.revoke(revocation);
  }
}
