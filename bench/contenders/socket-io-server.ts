import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import pg from "pg";
import { createClient } from "redis";
import { Server } from "socket.io";
import { type MessageRow, messageEvent } from "./message-event.ts";

/*
 * Socket.IO as its own guides set it up: the Redis Streams adapter, connection state recovery, each message stored
 * before it is sent on, and a look into Postgres for whoever cannot be recovered. No credentials, no participants.
 */

interface Settings {
  databaseUrl: string;
  redisUrl: string;
}

interface Handshake {
  conversation: string;
  user: string;
  /** Newest id the client has; not sent by a new one. */
  serverOffset?: number;
}

const { databaseUrl, redisUrl }: Settings = JSON.parse(process.argv[2] ?? "");

const INSERT = {
  name: "insert-message",
  text: `insert into socket_io.messages (conversation_id, sender_id, temp_id, body) values ($1, $2, $3, $4)
         returning id, sender_id, temp_id, body, created_at`,
};
const SINCE = {
  name: "messages-since",
  text: `select id, sender_id, temp_id, body, created_at from socket_io.messages
         where conversation_id = $1 and id > $2 order by id limit 1000`,
};

const database = new pg.Pool({ connectionString: databaseUrl, max: 20 });
// The adapter reads streams in the shape of RESP 2.
const redis = createClient({ url: redisUrl, RESP: 2 });
await redis.connect();

const http = createServer();
const io = new Server(http, {
  adapter: createAdapter(redis),
  connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
  transports: ["websocket"],
  serveClient: false,
});
io.on("connection", async (socket) => {
  const { conversation, user, serverOffset } = socket.handshake.auth as Handshake;
  socket.on("message.send", async (command: { temp_id: string; body: unknown }) => {
    const values = [conversation, user, command.temp_id, JSON.stringify(command.body)];
    const { rows } = await database.query<MessageRow>({ ...INSERT, values });
    for (const row of rows) io.to(conversation).emit("message.created", messageEvent(conversation, row));
  });
  if (!socket.recovered) {
    await socket.join(conversation);
    if (serverOffset !== undefined) {
      const { rows } = await database.query<MessageRow>({ ...SINCE, values: [conversation, serverOffset] });
      for (const row of rows) socket.emit("message.created", messageEvent(conversation, row));
    }
  }
  socket.emit("synced");
});
http.listen(0, "127.0.0.1", () => {
  const address = http.address();
  console.log(`listening ${typeof address === "object" && address ? address.port : 0}`);
});
