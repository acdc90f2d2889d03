import { createServer } from "node:http";
import pg from "pg";
import { createClient } from "redis";
import { type WebSocket, WebSocketServer } from "ws";
import { type MessageRow, messageEvent } from "./message-event.ts";

/*
 * The classic stack, as one writes it: a process of Node with `ws`; each message is one Postgres transaction, which
 * takes the conversation's next id under its row lock and writes the message and an outbox row; then Redis pub/sub
 * carries the event, serialised once, to every server that has sockets of it. The transaction is begun, run and
 * committed statement by statement, as every ORM does; or, to see what that costs, as one statement.
 *
 * It does less than the service wherever they differ: no credentials, no participants, no validation, no rate limit.
 */

interface Settings {
  databaseUrl: string;
  redisUrl: string;
  /** Whether a transaction is one statement, and so one round trip. */
  isOneStatement: boolean;
}

interface Session {
  socket: WebSocket;
  /** Live events that came while the missed ones were read; null once it is live. */
  held: Array<{ id: number; text: Buffer }> | null;
}

const { databaseUrl, redisUrl, isOneStatement }: Settings = JSON.parse(process.argv[2] ?? "");

const NEXT_ID = {
  name: "next-id",
  text: `update classic.conversations set last_message_id = last_message_id + 1, updated_at = now()
         where id = $1 returning last_message_id as id`,
};
const INSERT_MESSAGE = {
  name: "insert-message",
  text: `insert into classic.messages (conversation_id, id, sender_id, temp_id, body) values ($1, $2, $3, $4, $5)
         returning id, sender_id, temp_id, body, created_at`,
};
const INSERT_OUTBOX = {
  name: "insert-outbox",
  text: "insert into classic.outbox (conversation_id, message_id) values ($1, $2)",
};
const ALL_IN_ONE = {
  name: "all-in-one",
  text: `
    with next as (
      update classic.conversations set last_message_id = last_message_id + 1, updated_at = now()
      where id = $1 returning last_message_id as id),
    message as (
      insert into classic.messages (conversation_id, id, sender_id, temp_id, body)
      select $1, next.id, $2, $3, $4 from next returning id, sender_id, temp_id, body, created_at),
    outbox as (
      insert into classic.outbox (conversation_id, message_id) select $1, id from message)
    select id, sender_id, temp_id, body, created_at from message`,
};
const SINCE = {
  name: "messages-since",
  text: `select id, sender_id, temp_id, body, created_at from classic.messages
         where conversation_id = $1 and id > $2 order by id limit 1000`,
};

const database = new pg.Pool({ connectionString: databaseUrl, max: 20 });
const publisher = createClient({ url: redisUrl });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

interface Message {
  conversationId: string;
  userId: string;
  tempId: string;
  body: unknown;
}

async function store({ conversationId, userId, tempId, body }: Message): Promise<MessageRow | undefined> {
  const rest = [userId, tempId, JSON.stringify(body)];
  if (isOneStatement) {
    const { rows } = await database.query<MessageRow>({ ...ALL_IN_ONE, values: [conversationId, ...rest] });
    return rows[0];
  }
  const client = await database.connect();
  try {
    await client.query("begin");
    const next = await client.query<{ id: string }>({ ...NEXT_ID, values: [conversationId] });
    const id = next.rows[0]?.id;
    const { rows } = await client.query<MessageRow>({
      ...INSERT_MESSAGE,
      values: [conversationId, id, ...rest],
    });
    await client.query({ ...INSERT_OUTBOX, values: [conversationId, id] });
    await client.query("commit");
    return rows[0];
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

const conversations = new Map<string, Set<Session>>();

async function join(conversationId: string, session: Session): Promise<void> {
  const known = conversations.get(conversationId);
  if (known) {
    known.add(session);
    return;
  }
  const sessions = new Set([session]);
  conversations.set(conversationId, sessions);
  await subscriber.subscribe(
    conversationId,
    (text) => {
      for (const each of sessions) {
        if (each.held) each.held.push({ id: JSON.parse(text.toString()).message.id, text });
        else each.socket.send(text, { binary: false });
      }
    },
    true,
  );
}

async function resume(conversationId: string, session: Session, since: number): Promise<void> {
  const { rows } = await database.query<MessageRow>({ ...SINCE, values: [conversationId, since] });
  if (rows.length > 0)
    session.socket.send(JSON.stringify(rows.map((row) => messageEvent(conversationId, row))));
  const newest = Number(rows.at(-1)?.id ?? since);
  const held = session.held ?? [];
  session.held = null;
  for (const { id, text } of held) if (id > newest) session.socket.send(text, { binary: false });
}

const server = createServer();
new WebSocketServer({ server, perMessageDeflate: false }).on("connection", async (socket, request) => {
  const query = new URL(request.url ?? "", "http://localhost").searchParams;
  const [conversationId, userId, since] = [
    query.get("conversation") ?? "",
    query.get("user") ?? "",
    query.get("since"),
  ];
  const session: Session = { socket, held: since === null ? null : [] };
  socket.on("message", async (data) => {
    const command: { temp_id: string; body: unknown } = JSON.parse(data.toString());
    const row = await store({ conversationId, userId, tempId: command.temp_id, body: command.body });
    if (row) await publisher.publish(conversationId, JSON.stringify(messageEvent(conversationId, row)));
  });
  socket.on("close", () => conversations.get(conversationId)?.delete(session));
  await join(conversationId, session);
  if (since !== null) await resume(conversationId, session, Number(since));
  socket.send(JSON.stringify({ type: "synced" }));
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(`listening ${typeof address === "object" && address ? address.port : 0}`);
});
