import type {
  DurableObjectNamespace,
  DurableObjectState,
  Request,
  Response as WorkerResponse,
  WebSocket as WorkerSocket,
} from "@cloudflare/workers-types";

declare const WebSocketPair: new () => { 0: WorkerSocket; 1: WorkerSocket };

interface PlainEnv {
  PLAIN: DurableObjectNamespace;
}

interface Send {
  temp_id: string;
  body: unknown;
}

/**
 * The chat room one writes first: for each message one INSERT, one JSON text, one send to each socket.
 *
 * It does less than the service wherever they differ: no credentials, no check of what it gets, no participants, no
 * unique `temp_id`, no second copy in Postgres.
 */
export class Plain {
  readonly #state: DurableObjectState;

  constructor(state: DurableObjectState) {
    this.#state = state;
    state.storage.sql.exec(`create table if not exists messages (
      id integer primary key, sender_id text not null, temp_id text, body text, created_at integer not null)`);
  }

  fetch(request: Request): WorkerResponse {
    const { 0: client, 1: server } = new WebSocketPair();
    this.#state.acceptWebSocket(server);
    server.serializeAttachment(new URL(request.url).searchParams.get("user"));
    return new Response(null, {
      status: 101,
      webSocket: client,
    } as ResponseInit) as unknown as WorkerResponse;
  }

  webSocketMessage(socket: WorkerSocket, frame: string): void {
    const { temp_id, body }: Send = JSON.parse(frame);
    const senderId: string = socket.deserializeAttachment();
    const now = Date.now();
    const { id } = this.#state.storage.sql
      .exec<{ id: number }>(
        "insert into messages (sender_id, temp_id, body, created_at) values (?, ?, ?, ?) returning id",
        senderId,
        temp_id,
        JSON.stringify(body),
        now,
      )
      .one();
    const text = JSON.stringify({
      type: "message.created",
      seq: id,
      message: {
        id,
        conversation_id: this.#state.id.name,
        sender_id: senderId,
        temp_id,
        type: "user",
        body,
        reply_to_id: null,
        reactions: [],
        created_at: new Date(now).toISOString(),
        edited_at: null,
        deleted_at: null,
        seq: id,
      },
    });
    for (const receiver of this.#state.getWebSockets()) receiver.send(text);
  }
}

export default {
  fetch(request: Request, env: PlainEnv) {
    const name = new URL(request.url).pathname.split("/")[3] ?? "";
    return env.PLAIN.get(env.PLAIN.idFromName(name)).fetch(request);
  },
};
