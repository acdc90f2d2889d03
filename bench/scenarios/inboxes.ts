import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Findings, Scenario } from "../bench.ts";
import type { Line } from "../contenders/contender.ts";
import type { Ours } from "../contenders/ours.ts";
import { type Usage, usageBetween } from "../cost.ts";
import { InboxClient } from "../inbox-client.ts";
import { WrongResultError } from "../load.ts";
import { formatNumber, Histogram } from "../statistics.ts";

/** Participants of each conversation; each user is in two. */
const PARTICIPANTS = 20;
/** Of each user whose coming and going is counted. */
const CONVERSATIONS = 20;
/** After which an object that has nothing to do sleeps, and whoever left is gone. */
const ASLEEP_MS = 12_000;
/** How long counts may take to become right once nothing happens any more. */
const QUIET_MS = 60_000;
/** From one message of a conversation to its next: all of them together have to leave time to the machine. */
const EVERY_SECONDS = 4;
const TARGET_READY_MS = 1_000;
const TARGET_ONLINE_MS = 1_000;
const TARGET_OFFLINE_MS = 15_000;
/** How many come and go, one after the other, while everybody else is online. */
const VISITORS = 10;

/** Thousands of open inboxes, of which every count must be right in the end. */
export const inboxes: Scenario = {
  name: "inboxes",
  async run(bench: Bench): Promise<Findings> {
    const conversations = bench.isQuick ? 10 : 200;
    const seconds = bench.isQuick ? 2 : 15;
    const ours = await bench.startOurs({
      name: "inboxes",
      modules: { "index.js": bench.service },
      database: bench.database,
    });
    console.log(`\n${conversations * 10} inboxes, ${conversations} conversations`);
    const busy = await measureBusy(bench, ours, conversations, seconds);
    const many = await measureThousand(bench, ours, bench.isQuick ? 30 : 1_000);
    await ours.stop();
    const cost = await measureCost(bench);
    console.log(
      `  notice after ${formatNumber(busy.lag.quantile(0.5))} / ${formatNumber(busy.lag.quantile(0.99))} ms, ${busy.notices.toFixed(1)} a message; ${many.conversations} conversations: ready ${formatNumber(many.readyMs)} ms, synced ${formatNumber(many.syncedMs)} ms`,
    );
    const others = PARTICIPANTS - 1;
    const unit = (usage: Usage, per: number): string[] => [
      ((usage.objectRequests + usage.socketMessages / 20) / per).toFixed(2),
      (usage.rowsWritten / per).toFixed(2),
      (usage.alarms / per).toFixed(2),
    ];
    return {
      title: "The live list",
      text: `${formatNumber(conversations * 10)} users with an open inbox, each in two of ${conversations} conversations of ${PARTICIPANTS}; one of each conversation says something every ${EVERY_SECONDS} s, another one reads, for ${seconds} s. The time is from the sender's acknowledgement to the notice in the others' lists. When nothing happens any more, every count of every inbox and every total is compared with Postgres; one that differs fails the run.`,
      tables: [
        [
          ["messages", "notices", "a message", "notice after p50 / p99, ms", "counts compared", "wrong"],
          [
            formatNumber(busy.messages),
            formatNumber(busy.notices * busy.messages),
            busy.notices.toFixed(1),
            `${formatNumber(busy.lag.quantile(0.5))} / ${formatNumber(busy.lag.quantile(0.99))}`,
            formatNumber(busy.compared),
            "0",
          ],
        ],
        [
          ["somebody, of whom 38 others are to know", "worst of all, ms"],
          ["comes, until the last one knows it", formatNumber(busy.onlineMs)],
          ["leaves, and does not come back for the grace of 8 s", formatNumber(busy.offlineMs)],
        ],
        [
          ["opening an inbox", "`ready` after, ms", "`synced` after, ms"],
          [
            `of ${formatNumber(many.conversations)} conversations that objects hold`,
            formatNumber(many.readyMs),
            formatNumber(many.syncedMs),
          ],
        ],
        [
          ["what it costs, counted", "object requests", "rows written", "alarms"],
          [
            `a message to ${PARTICIPANTS} with ${PARTICIPANTS} open inboxes`,
            ...unit(cost.message, cost.messages),
          ],
          [
            `opening an inbox of ${cost.conversations} conversations, ${others} others online in each`,
            ...unit(cost.open, 1),
          ],
          ["closing it", ...unit(cost.close, 1)],
          [
            `opening an inbox of ${cost.conversations} conversations, nobody else online`,
            ...unit(cost.alone, 1),
          ],
        ],
      ],
      charts: [],
      verdicts: bench.isQuick
        ? []
        : [
            {
              target: `An inbox of 1,000 conversations is ready within ${TARGET_READY_MS / 1000} s:`,
              measured: `${formatNumber(many.readyMs)} ms`,
              isMet: many.readyMs <= TARGET_READY_MS,
            },
            {
              target: `and has heard of each of them from its object (\`synced\`) within ${TARGET_READY_MS / 1000} s:`,
              measured: `${formatNumber(many.syncedMs)} ms`,
              isMet: many.syncedMs <= TARGET_READY_MS,
            },
            {
              target: `Who opens their inbox is online to others within ${TARGET_ONLINE_MS / 1_000} s:`,
              measured: `${formatNumber(busy.onlineMs)} ms`,
              isMet: busy.onlineMs <= TARGET_ONLINE_MS,
            },
            {
              target: `Who closes it is offline to others within ${TARGET_OFFLINE_MS / 1_000} s:`,
              measured: `${formatNumber(busy.offlineMs)} ms`,
              isMet: busy.offlineMs <= TARGET_OFFLINE_MS,
            },
          ],
    };
  },
};

/** Conversations of some of the users, as if they had been made long ago. */
async function seed(bench: Bench, groups: string[][]): Promise<string[]> {
  const ids = groups.map(() => randomUUID());
  const members = groups.flatMap((users, index) => users.map((user) => ({ id: ids[index], user })));
  const { client } = bench.database;
  await client.query(
    "insert into conversations (id, type, created_by) select x::uuid, 'group', 'bench' from jsonb_array_elements_text($1::jsonb) x",
    [JSON.stringify(ids)],
  );
  await client.query(
    `insert into participants (conversation_id, user_id, role)
     select x.id, x.user, 'member' from jsonb_to_recordset($1::jsonb) as x(id uuid, "user" text)`,
    [JSON.stringify(members)],
  );
  // As autovacuum does in a while.
  await client.query("analyze conversations, participants, messages, users, presence");
  return ids;
}

const talk = (
  ours: Ours,
  conversationId: string,
  userId: string,
  onText: (text: string) => void,
): Promise<Line> => ours.connect({ conversationId, userId, onText: (payload) => onText(payload.toString()) });

async function measureBusy(bench: Bench, ours: Ours, conversations: number, seconds: number) {
  const users = Array.from({ length: conversations * 10 }, () => randomUUID());
  const groups = Array.from({ length: conversations }, (_, c) =>
    Array.from({ length: PARTICIPANTS }, (_, k) => users[(c * 10 + k) % users.length] ?? ""),
  );
  const ids = await seed(bench, groups);
  const ackedAt = new Map<string, number>();
  const lag = new Histogram();
  const heard = (id: string, head: number): void => {
    const at = ackedAt.get(`${id} ${head}`);
    if (at !== undefined) lag.record(performance.now() - at);
  };
  const open: InboxClient[] = [];
  for (let start = 0; start < users.length; start += 100)
    open.push(
      ...(await Promise.all(
        users.slice(start, start + 100).map((user) => InboxClient.open(ours.url, user, heard)),
      )),
    );
  const lines: Line[] = [];
  const speakers: Line[] = [];
  const heads = ids.map(() => 0);
  for (const [index, id] of ids.entries()) {
    const [speaker = "", reader = ""] = groups[index] ?? [];
    const line = await talk(ours, id, speaker, (text) => {
      for (const [, head] of text.matchAll(/"message\.created","seq":\d+,"message":\{"id":(\d+)/g)) {
        heads[index] = Number(head);
        ackedAt.set(`${id} ${head}`, performance.now());
      }
    });
    speakers.push(line);
    lines.push(line, await talk(ours, id, reader, () => {}));
  }
  // First loads, which are a conversation's only once, are over.
  for (const [index, line] of speakers.entries()) line.send(frame(`warm ${index}`));
  await sleep(2_000);
  for (const inbox of open) inbox.notices = 0;
  ackedAt.clear();
  let messages = 0;
  for (let second = 0; second < seconds; second += 1) {
    const from = performance.now();
    for (const [index, line] of speakers.entries()) {
      if ((second + index) % EVERY_SECONDS > 0) continue;
      line.send(frame(`${second} ${index}`));
      messages += 1;
      if ((second + index) % (2 * EVERY_SECONDS) === 0)
        lines[2 * index + 1]?.send(JSON.stringify({ type: "read.update", last_read_id: heads[index] ?? 0 }));
      // Spread over the second.
      if (index % 2 === 0)
        await sleep(Math.max(0, from + (index / conversations) * 1_000 - performance.now()));
    }
    await sleep(Math.max(0, from + 1_000 - performance.now()));
  }
  const compared = await untilRight(bench, open, ids);
  const notices = open.reduce((sum, inbox) => sum + inbox.notices, 0) / messages;
  const visits = await measureVisits(ours, open, bench.isQuick ? 2 : VISITORS);
  for (const closed of [...lines, ...open]) closed.close();
  return { lag, messages, notices, compared, ...visits };
}

/** Some leave and come back; the times are until the last of those who share a conversation knows it, at worst. */
async function measureVisits(ours: Ours, open: InboxClient[], visitors: number) {
  const untilKnown = async (userId: string, isOnline: boolean, watchers: InboxClient[]): Promise<number> => {
    const from = performance.now();
    for (const end = from + QUIET_MS; performance.now() < end; await sleep(5))
      if (watchers.every(({ online }) => online.has(userId) === isOnline)) return performance.now() - from;
    throw new WrongResultError(`Not everybody knows that ${userId} is ${isOnline ? "there" : "gone"}.`);
  };
  const [onlineMs, offlineMs]: [number[], number[]] = [[], []];
  for (let n = 0; n < visitors; n += 1) {
    // Far enough apart to share nobody.
    const index = (n * 4 * PARTICIPANTS) % open.length;
    const visitor = open[index];
    if (!visitor) continue;
    const watchers = open.filter((inbox) => inbox !== visitor && inbox.online.has(visitor.userId));
    visitor.close();
    offlineMs.push(await untilKnown(visitor.userId, false, watchers));
    const again = InboxClient.open(ours.url, visitor.userId);
    onlineMs.push(await untilKnown(visitor.userId, true, watchers));
    open[index] = await again;
  }
  return { onlineMs: Math.max(...onlineMs), offlineMs: Math.max(...offlineMs) };
}

const frame = (text: string): string =>
  JSON.stringify({ type: "message.send", temp_id: randomUUID(), body: { text } });

/** Waits until every inbox shows what Postgres says. @returns how many counts were compared */
async function untilRight(bench: Bench, open: InboxClient[], ids: string[]): Promise<number> {
  let wrong: string[] = [];
  for (const end = Date.now() + QUIET_MS; Date.now() < end; await sleep(500)) {
    const { rows } = await bench.database.client.query<{
      id: string;
      user_id: string;
      head: number;
      read: number;
      unread: number;
    }>(
      `select c.id, p.user_id, c.last_message_id::int as head, p.last_read_id::int as read,
              (select count(*)::int from messages m where m.conversation_id = c.id and m.id > p.last_read_id
                 and m.sender_id <> p.user_id and m.deleted_at is null) as unread
       from conversations c join participants p on p.conversation_id = c.id where c.id = any($1::uuid[])`,
      [ids],
    );
    const expected = Map.groupBy(rows, ({ user_id }) => user_id);
    let compared = 0;
    wrong = open.flatMap((inbox) => {
      const mine = expected.get(inbox.userId) ?? [];
      const counts = mine.flatMap(({ id, ...row }) => {
        const shown = inbox.shown.get(id);
        const isRight =
          shown?.head === row.head && shown.lastReadId === row.read && shown.unread === row.unread;
        return isRight ? [] : [`${inbox.userId} ${id}: ${JSON.stringify([shown, row])}`];
      });
      const total = mine.reduce((sum, { unread }) => sum + unread, 0);
      compared += mine.length + 1;
      if (inbox.shown.size !== mine.length) counts.push(`${inbox.userId}: ${inbox.shown.size} conversations`);
      if (inbox.total !== total) counts.push(`${inbox.userId}: total ${inbox.total}`);
      return counts;
    });
    if (wrong.length === 0) return compared;
  }
  throw new WrongResultError(`${wrong.length} counts of inboxes are wrong, such as ${wrong[0]}.`);
}

async function activate(ours: Ours, id: string, userId: string): Promise<void> {
  const response = await fetch(new URL(`/api/conversations/${id}/messages`, ours.url), {
    method: "POST",
    headers: { Authorization: `Bearer ${userId}`, "Content-Type": "application/json" },
    body: JSON.stringify({ temp_id: "first", body: { text: "first" } }),
  });
  if (response.status !== 201) throw new Error(`A message was answered with ${response.status}.`);
}

async function measureThousand(bench: Bench, ours: Ours, conversations: number) {
  const [user, other] = [randomUUID(), randomUUID()];
  const ids = await seed(
    bench,
    Array.from({ length: conversations }, () => [user, other]),
  );
  for (let start = 0; start < ids.length; start += 20)
    await Promise.all(ids.slice(start, start + 20).map((id) => activate(ours, id, other)));
  await sleep(1_000);
  const inbox = await InboxClient.open(ours.url, user);
  await untilRight(bench, [inbox], ids);
  inbox.close();
  return { conversations, readyMs: inbox.readyMs, syncedMs: inbox.syncedMs };
}

async function measureCost(bench: Bench) {
  const counter = await readFile(new URL("../counting-worker.js", import.meta.url), "utf8");
  const counting = await bench.startOurs({
    name: "counting-inboxes",
    modules: { "index.js": counter, "service.js": bench.service },
    database: bench.database,
  });
  const read = async (): Promise<Usage> =>
    (await (await fetch(new URL("/meter", counting.url))).json()) as Usage;
  const users = Array.from({ length: PARTICIPANTS }, () => randomUUID());
  const loner = randomUUID();
  const [first = "", ...ids] = await seed(
    bench,
    Array.from({ length: 2 * CONVERSATIONS }, (_, index) =>
      index < CONVERSATIONS ? users : [randomUUID(), loner],
    ),
  );
  const [speaker = "", last = ""] = [users[0], users.at(-1)];
  for (const [index, id] of [first, ...ids].entries())
    await activate(counting, id, index < CONVERSATIONS ? speaker : loner);
  const open: InboxClient[] = [];
  for (const user of users.slice(0, -1)) open.push(await InboxClient.open(counting.url, user));
  /** What it uses, and what that makes others do. */
  const usageOf = async (work: () => Promise<void>): Promise<Usage> => {
    await sleep(ASLEEP_MS);
    const before = await read();
    await work();
    await sleep(ASLEEP_MS);
    return usageBetween(before, await read());
  };
  let own: InboxClient | undefined;
  const openOf = (user: string) => async () => {
    own = await InboxClient.open(counting.url, user);
  };
  const alone = await usageOf(openOf(loner));
  own?.close();
  const opened = await usageOf(openOf(last));
  const closed = await usageOf(async () => own?.close());
  await openOf(last)();
  if (own) open.push(own);
  const line = await talk(counting, first, speaker, () => {});
  await sleep(2_000);
  const before = await read();
  const messages = bench.isQuick ? 5 : 40;
  for (let n = 0; n < messages; n += 1) {
    line.send(frame(`${n}`));
    // Slower than notices share.
    await sleep(400);
  }
  await untilRight(bench, open, [first, ...ids]);
  const message = usageBetween(before, await read());
  for (const connection of [line, ...open]) connection.close();
  await counting.stop();
  return { message, messages, alone, open: opened, close: closed, conversations: CONVERSATIONS };
}
