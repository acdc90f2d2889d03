import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Cleanup, Database } from "../database.ts";
import { residentBytes, startNodeServer } from "../processes.ts";
import { BenchSocket } from "../websocket.ts";
import type { Connection, Contender, Line } from "./contender.ts";

const SERVER = fileURLToPath(new URL("./socket-io-server.ts", import.meta.url));

/** Socket.IO with its Redis Streams adapter and connection state recovery: see `socket-io-server.ts`. */
export async function startSocketIo(
  { database, redisUrl }: { database: Database; redisUrl: string },
  cleanup: Cleanup,
): Promise<Contender> {
  const launch = () => startNodeServer(SERVER, { databaseUrl: database.url, redisUrl });
  let running = await launch();
  cleanup.push(() => running.kill());
  return {
    name: "socket-io",
    title: "Socket.IO + Redis + Postgres",
    isOrdered: false,
    get url() {
      return running.url;
    },
    createConversation: async () => randomUUID(),
    connect: (connection) => openSocketIo(running.url, connection),
    async countStored(conversationIds) {
      const { rows } = await database.client.query<{ n: number }>(
        "select count(*)::int as n from socket_io.messages where conversation_id = any($1::uuid[])",
        [conversationIds],
      );
      return rows[0]?.n ?? 0;
    },
    async restart() {
      await running.kill();
      running = await launch();
    },
    residentBytes: () => residentBytes("node", SERVER),
  };
}

/** First characters of a text: Engine.IO's type, and Socket.IO's for a message. */
const PING = 0x32;
const MESSAGE = 0x34;
const CONNECTED = 0x30;
const CONNECT_ERROR = 0x34;
const SYNCED = Buffer.from('42["synced"');

/** Engine.IO 4 and Socket.IO 5 over WebSocket, as far as it is needed: what `socket.io-client` would send. */
async function openSocketIo(
  base: URL,
  { conversationId, userId, resume, onText }: Connection,
): Promise<Line> {
  const [privateId, offset] = resume?.token.split("|") ?? [];
  const auth = {
    conversation: conversationId,
    user: userId,
    ...(resume ? { pid: privateId, offset, serverOffset: resume.since } : {}),
  };
  let pid = "";
  let newest: Buffer | null = null;
  let isSynced = false;
  let onSynced = (): void => {};
  let onRefused = (_: Error): void => {};
  const synced = new Promise<void>((resolve, reject) => {
    onSynced = resolve;
    onRefused = reject;
  });
  const socket: BenchSocket = await BenchSocket.open(
    new URL("/socket.io/?EIO=4&transport=websocket", base),
    [],
    (payload) => {
      onText(payload);
      if (payload[0] === PING) socket.send("3");
      else if (payload[0] === MESSAGE && payload[1] === CONNECTED)
        pid = JSON.parse(payload.toString("utf8", 2)).pid;
      else if (payload[0] === MESSAGE && payload[1] === CONNECT_ERROR)
        onRefused(new Error(payload.toString()));
      else if (!isSynced && payload.subarray(0, SYNCED.length).equals(SYNCED)) {
        isSynced = true;
        onSynced();
      } else if (payload[0] === MESSAGE) {
        // Only its tail matters: the position in the stream that the server appends to every event.
        newest = Buffer.from(payload.subarray(-40));
      }
    },
  );
  socket.onBroken = (reason) => onRefused(new Error(`Socket.IO: ${reason}`));
  socket.send(`40${JSON.stringify(auth)}`);
  await synced;
  return {
    send: (command) => socket.send(`42["message.send",${command}]`),
    close: () => socket.close(),
    get token() {
      const position = /"(\d+-\d+)"\]$/.exec(newest?.toString("latin1") ?? "")?.[1] ?? "";
      return `${pid}|${position}`;
    },
    set onBroken(tell: (reason: string) => void) {
      socket.onBroken = tell;
    },
  };
}
