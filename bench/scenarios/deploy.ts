import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";
import { ChatClient, type ConversationHandle, type InboxHandle } from "../../client/index.ts";
import type { Bench, Findings, Scenario, Verdict } from "../bench.ts";
import type { Ours } from "../contenders/ours.ts";
import { WrongResultError } from "../load.ts";
import { formatNumber, Histogram } from "../statistics.ts";

const TARGET_SECONDS = 5;
const PARTICIPANTS = 50;
const EVERY_SECONDS = 4;
/** Before each restart: a client takes a connection that was shorter for a failure, and waits longer for the next. */
const BETWEEN_MS = 6_000;
const PATIENCE_MS = 120_000;
/**
 * Below what the system gives to outgoing connections: of a thousand clients that try to reach a port nobody listens on,
 * one would be given that very port, and keep it.
 */
const PORT_FROM = 15_000;

interface Seat {
  userId: string;
  chat: ChatClient;
  conversation: ConversationHandle;
  inbox: InboxHandle;
  /** Milliseconds after which its conversation was live again, and its inbox too. */
  conversationMs: number;
  inboxMs: number;
}

/** Until clients were back, over all restarts. */
class Times {
  readonly #all = new Histogram();
  /** Milliseconds of the last one, of each restart. */
  readonly last: number[] = [];

  add(milliseconds: readonly number[]): void {
    for (const ms of milliseconds) this.#all.record(ms);
    this.last.push(Math.round(Math.max(...milliseconds)));
  }

  get worstSeconds(): number {
    return Math.max(...this.last) / 1_000;
  }

  row(title: string): string[] {
    const { last } = this;
    return [
      title,
      formatNumber(this.#all.quantile(0.5)),
      formatNumber(this.#all.quantile(0.99)),
      last.map((ms) => formatNumber(ms)).join(", "),
    ];
  }
}

/** Everything restarts under connected clients, who are to notice nothing but a pause. */
export const deploy: Scenario = {
  name: "deploy",
  async run(bench: Bench): Promise<Findings> {
    const clients = bench.isQuick ? 40 : 1_000;
    const groups = Math.max(2, clients / PARTICIPANTS);
    const rounds = bench.isQuick ? 1 : 3;
    console.log(`\na deploy under ${clients} clients`);
    const ours = await bench.startOurs({
      name: "deploy",
      modules: { "index.js": bench.service },
      database: bench.database,
      port: PORT_FROM + (process.pid % 10_000),
    });
    const times = { conversation: new Times(), inbox: new Times() };
    try {
      const errors: string[] = [];
      const seats = await connect(ours, clients, groups, errors);
      const sent: Array<Promise<unknown>> = [];
      const stopTalking = keepTalking(seats, groups, sent);
      for (let round = 0; round < rounds; round += 1) {
        await sleep(BETWEEN_MS);
        await ours.restart();
        const from = performance.now();
        await untilLive(seats, from);
        times.conversation.add(seats.map(({ conversationMs }) => conversationMs));
        times.inbox.add(seats.map(({ inboxMs }) => inboxMs));
        console.log(
          `  all back after ${times.conversation.last.at(-1)} ms, with lists ${times.inbox.last.at(-1)} ms`,
        );
      }
      await stopTalking();
      await Promise.all(sent);
      await untilAlike(seats, groups);
      await untilCounted(bench, seats);
      if (errors.length > 0) throw new WrongResultError(`A client was shown an error: ${errors[0]}`);
      for (const { chat } of seats) chat.disconnect();
    } finally {
      await ours.stop();
    }
    const verdict = (what: string, { worstSeconds }: Times): Verdict => ({
      target: `1,000 clients are all back after a deploy within ${TARGET_SECONDS} s, ${what}:`,
      measured: `${worstSeconds.toFixed(1)} s`,
      isMet: worstSeconds <= TARGET_SECONDS,
    });
    return {
      title: "A deploy under connected clients",
      text: `${formatNumber(clients)} clients (\`client/\` itself, all in one process) in ${groups} conversations, each with its conversation and its inbox open, while each conversation gets a message every ${EVERY_SECONDS} s; workerd is killed and started again, ${rounds} times. From the moment it answers until every client is live again; whatever is on the screen comes first, by the client's own backoff. All objects share one thread of one machine here, with the clients and Postgres beside them. How fast that is depends on the hour: between 2.9 and 8.0 s were seen for the conversations on one shared machine in one day, of the same code. In the end every client has every message of its conversation once and in order, every send was acknowledged, every list has the counts of Postgres, and no client was shown an error.`,
      tables: [
        [
          ["back after, ms", "p50", "p99", "the last one, each time"],
          times.conversation.row("in their conversations"),
          times.inbox.row("and with their lists"),
        ],
      ],
      charts: [],
      verdicts: bench.isQuick
        ? []
        : [
            verdict("in their conversations", times.conversation),
            verdict("and with their lists", times.inbox),
          ],
    };
  },
};

async function connect(ours: Ours, clients: number, groups: number, errors: string[]): Promise<Seat[]> {
  const users = Array.from({ length: clients }, () => randomUUID());
  const ids: string[] = [];
  for (let group = 0; group < groups; group += 1) {
    ids.push(await ours.createConversation(users.filter((_, index) => index % groups === group)));
  }
  const seats = users.map((user, index): Seat => {
    const chat = new ChatClient({
      url: ours.url.origin,
      token: () => user,
      WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    });
    chat.onError((error) => errors.push(`${error.code} ${error.message}`));
    chat.onDisconnect(({ will_reconnect, reason }) => {
      if (!will_reconnect && reason !== "left") errors.push(reason);
    });
    const conversation = chat.joinConversation(ids[index % groups] ?? "");
    return { userId: user, chat, conversation, inbox: chat.joinInbox(), conversationMs: 0, inboxMs: 0 };
  });
  for (let start = 0; start < seats.length; start += 100) {
    for (const { chat } of seats.slice(start, start + 100)) chat.connect();
    await untilLive(seats.slice(start, start + 100), 0);
  }
  return seats;
}

async function untilLive(seats: readonly Seat[], from: number): Promise<void> {
  const away = new Set(seats);
  for (const seat of seats) Object.assign(seat, { conversationMs: 0, inboxMs: 0 });
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(10)) {
    const ms = performance.now() - from;
    for (const seat of away) {
      if (seat.conversation.state.status === "live") seat.conversationMs ||= ms;
      if (seat.inbox.state.status === "live") seat.inboxMs ||= ms;
      if (seat.conversationMs > 0 && seat.inboxMs > 0) away.delete(seat);
    }
    if (away.size === 0) return;
  }
  throw new WrongResultError(`${away.size} clients did not come back.`);
}

/** Somebody of each conversation says something now and then. */
function keepTalking(seats: readonly Seat[], groups: number, sent: Array<Promise<unknown>>) {
  let isTalking = true;
  const talking = (async () => {
    for (let turn = 0; isTalking; turn += 1) {
      for (let group = 0; group < groups; group += 1) {
        const seat = seats[((turn * groups) % seats.length) + group];
        if (seat) sent.push(seat.conversation.send({ text: `${turn} of ${group}` }));
      }
      await sleep(EVERY_SECONDS * 1_000);
    }
  })();
  return () => {
    isTalking = false;
    return talking;
  };
}

/** Waits until every list says what Postgres says. */
async function untilCounted(bench: Bench, seats: readonly Seat[]): Promise<void> {
  let wrong = 0;
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(200)) {
    const { rows } = await bench.database.client.query<{ user_id: string; head: number; unread: number }>(
      `select p.user_id, c.last_message_id::int as head,
              (select count(*)::int from messages m where m.conversation_id = c.id and m.id > p.last_read_id
                 and m.sender_id <> p.user_id and m.deleted_at is null) as unread
       from conversations c join participants p on p.conversation_id = c.id where p.user_id = any($1)`,
      [seats.map(({ userId }) => userId)],
    );
    const expected = new Map(rows.map((row) => [row.user_id, row]));
    wrong = seats.filter(({ userId, inbox }) => {
      const { unread_total, conversations } = inbox.state;
      const row = expected.get(userId);
      return unread_total !== row?.unread || conversations[0]?.last_message_id !== row.head;
    }).length;
    if (wrong === 0) return;
  }
  throw new WrongResultError(`${wrong} lists differ from Postgres.`);
}

/** Waits until everybody of a conversation has the same messages: 1 to the newest, each once. */
async function untilAlike(seats: readonly Seat[], groups: number): Promise<void> {
  let wrong = "";
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(200)) {
    wrong = "";
    for (let group = 0; group < groups && wrong === ""; group += 1) {
      const states = seats
        .filter((_, index) => index % groups === group)
        .map((seat) => seat.conversation.state);
      const head = Math.max(...states.map(({ last_message_id }) => last_message_id));
      for (const { messages } of states) {
        const first = messages[0]?.id ?? 0;
        const isWhole =
          messages.every(({ id }, index) => id === first + index) && messages.at(-1)?.id === head;
        if (!isWhole)
          wrong = `A client has ${messages.length} messages up to ${messages.at(-1)?.id}, not ${head}.`;
      }
      const texts = new Set(states[0]?.messages.map(({ body }) => body?.text));
      if (texts.size !== states[0]?.messages.length) wrong = "A message came twice.";
    }
    if (wrong === "") return;
  }
  throw new WrongResultError(wrong);
}
