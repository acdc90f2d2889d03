import { setTimeout as sleep } from "node:timers/promises";
import { ChatApi, ChatClient, ChatError } from "../../client/index.ts";
import type { Message } from "../../protocol/entities.ts";
import type { Row } from "../checker/history.ts";
import { runCron, type Stack } from "../stack/stack.ts";
import { countUntold, drainedTo, dumpPostgres, withDatabase } from "./database.ts";
import type { Device } from "./device.ts";
import { readObjectLogs } from "./object-log.ts";
import type { Recorder } from "./recorder.ts";
import { rowOf } from "./tap.ts";

/** Who is there in the end. */
export interface Cast {
  conversations: Array<{
    id: string;
    /** Everybody who ever took part. */
    users: string[];
    /** Those who take part now. */
    members: string[];
  }>;
  /** Open devices, with the conversations each has joined. */
  devices: Array<{ device: Device; conversations: string[] }>;
}

const CRON_EVERY_MS = 2_000;

/**
 * Waits until everybody is done and everything has arrived everywhere, and writes whether it did.
 *
 * @returns what is still not at rest; null when everything is
 */
export async function awaitQuiet(
  recorder: Recorder,
  stack: Stack,
  cast: Cast,
  limitMs: number,
): Promise<string | null> {
  const url = await stack.databaseUrl();
  const beganMs = Date.now();
  let cronDueMs = beganMs;
  let restless: string | null = "nothing was looked at";
  while (restless !== null && Date.now() - beganMs < limitMs) {
    if (Date.now() >= cronDueMs) {
      cronDueMs = Date.now() + CRON_EVERY_MS;
      await runCron(stack).catch(() => undefined);
    }
    restless = await findRestless(recorder, url, cast).catch(String);
    if (restless !== null) await sleep(100);
  }
  recorder.write({
    kind: "quiet",
    reached: restless === null,
    waited_ms: Date.now() - beganMs,
    limit_ms: limitMs,
  });
  return restless;
}

async function findRestless(
  recorder: Recorder,
  url: string,
  { conversations, devices }: Cast,
): Promise<string | null> {
  if (recorder.open > 0) return `${recorder.open} operations have no outcome`;
  const untold = await countUntold(url);
  if (untold > 0) return `${untold} changes of participants are not told`;
  return withDatabase(url, async (client) => {
    for (const { id, members } of conversations) {
      const drained = await drainedTo(client, id);
      for (const { device, conversations: joined } of devices) {
        if (!joined.includes(id)) continue;
        const isMember = members.includes(device.user);
        const { status, last_message_id, newest_message_seq } = await device.port.look(id);
        const where = `${device.name} in ${recorder.name("c", id)}`;
        if (status !== (isMember ? "live" : "closed")) return `${where} is ${status}`;
        const isDrained = last_message_id === drained.head && newest_message_seq <= drained.seq;
        if (isMember && !isDrained)
          return `${where} holds ${last_message_id}, ${newest_message_seq}; drained are ${drained.head}, ${drained.seq}`;
      }
    }
    return null;
  });
}

/** Writes what everybody holds: clients, REST, Postgres and the objects, whose workerd is killed for it. */
export async function dumpEverything(recorder: Recorder, stack: Stack, cast: Cast): Promise<void> {
  for (const { device, conversations } of cast.devices) {
    for (const id of conversations) {
      const { rows, participants, ...held } = await device.port.held(id);
      recorder.write({
        kind: "held",
        client: device.name,
        user: recorder.name("u", device.user),
        conversation: recorder.name("c", id),
        ...held,
        unsettled: device.openIn(id),
        participants: participants.map((user) => recorder.name("u", user)),
        rows: named(recorder, rows),
      });
    }
  }
  for (const { id, users } of cast.conversations)
    for (const user of users) await dumpFresh(recorder, stack, id, user);
  const url = await stack.databaseUrl();
  for (const { id } of cast.conversations) {
    const { rows, participants, ...dump } = await dumpPostgres(url, id);
    recorder.write({
      kind: "postgres",
      conversation: recorder.name("c", id),
      ...dump,
      participants: participants.map(({ user, ...rest }) => ({ user: recorder.name("u", user), ...rest })),
      rows: named(recorder, rows),
    });
  }
  await stack.kill();
  recorder.write({ kind: "crash" });
  await dumpLogs(recorder, stack, new Set(cast.conversations.map(({ id }) => id)));
}

/** Writes what the objects of these conversations have stored. Only while the service does not run. */
export async function dumpLogs(recorder: Recorder, stack: Stack, wanted: ReadonlySet<string>): Promise<void> {
  for (const log of await readObjectLogs(stack.objectsDirectory, (id) => wanted.has(id))) {
    recorder.write({
      kind: "log",
      ...log,
      conversation: recorder.name("c", log.conversation),
      epoch: recorder.name("e", log.epoch),
      rows: named(recorder, log.rows),
    });
  }
}

/** Writes the conversation as the user reads it anew, page by page. */
async function dumpFresh(recorder: Recorder, stack: Stack, id: string, user: string): Promise<void> {
  const api = new ChatApi(new ChatClient({ url: stack.url, token: () => user }));
  const whose = {
    kind: "fresh",
    user: recorder.name("u", user),
    conversation: recorder.name("c", id),
  } as const;
  try {
    const messages: Message[] = [];
    for (let hasMore = true; hasMore; ) {
      const page = await api.listMessages(id, { after_id: messages.at(-1)?.id ?? 0, limit: 100 });
      messages.push(...page.data);
      hasMore = page.has_more;
    }
    const { last_message_id, title } = await api.getConversation(id);
    const participants = (await api.listParticipants(id)).data.map(({ user_id }) =>
      recorder.name("u", user_id),
    );
    const rows = named(recorder, messages.map(rowOf));
    recorder.write({ ...whose, found: true, last_message_id, title, participants, rows });
  } catch (error) {
    if (!(error instanceof ChatError) || error.code !== "CONVERSATION_NOT_FOUND") throw error;
    recorder.write({ ...whose, found: false, last_message_id: 0, title: null, participants: [], rows: [] });
  }
}

function named(recorder: Recorder, rows: readonly Row[]): Row[] {
  return rows.map((row) => ({ ...row, sender: recorder.name("u", row.sender) }));
}
