import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { sql } from "drizzle-orm";
import { SignJWT } from "jose";
import { expect, test } from "vitest";
import type { InboxRpc } from "../../durable-objects/rpc.ts";
import type { Conversation } from "../../protocol/entities.ts";
import worker from "../../workers/index.ts";
import { SERVICE_KEYS } from "../setup/session-secrets.ts";
import { Random } from "../simulation/random.ts";
import {
  breakRpc,
  call,
  db,
  type InboxSocket,
  inboxOf,
  inspect,
  inspectInbox,
  join,
  joinInbox,
  newConversation,
  newUser,
  objectOf,
  openInbox,
  restartInbox,
  testEnv,
  until,
  untilDrained,
} from "./harness.ts";

interface Unread {
  total: number;
  conversations: Array<{ id: string; unread_count: number; last_read_id: number; last_message_id: number }>;
}

const unreadOf = async (user: string): Promise<Unread> =>
  (await call<Unread>(user, "GET", "/conversations/unread-count")).body.data;

/** Waits until an inbox shows what REST says of every conversation. */
const untilExact = (user: string, inbox: InboxSocket) =>
  until(async () => {
    const { total, conversations } = await unreadOf(user);
    const isSame = conversations.every(({ id, unread_count, last_message_id, last_read_id }) => {
      const shown = inbox.shown(id);
      const { me } = shown ?? {};
      return (
        shown?.last_message_id === last_message_id &&
        me?.unread_count === unread_count &&
        me.last_read_id === last_read_id
      );
    });
    return isSame && inbox.total === total;
  });

test("I1 S2: an inbox is opened with a credential, and says why it is not", async () => {
  expect(await (await openInbox(null)).untilClosed()).toEqual({ code: 4401, reason: "missing" });
  expect(await (await openInbox("nonsense")).untilClosed()).toEqual({ code: 4401, reason: "invalid" });
  expect(await (await openInbox(newUser(), `?client_id=${"x".repeat(65)}`)).untilClosed()).toMatchObject({
    code: 4400,
  });
  const ana = newUser();
  const inbox = await joinInbox(ana);
  expect(inbox.response.headers.get("Sec-WebSocket-Protocol")).toBe("arcyou.v1");
  inbox.send("ping");
  await until(() => inbox.frames.includes("pong"));
  inbox.send({ type: "message.send", temp_id: "x", body: { text: "x" }, ref: "no" });
  expect((await inbox.next("error")).error.code).toBe("VALIDATION_FAILED");
  inbox.send({ type: "auth.refresh", token: ana, ref: "again" });
  await inbox.next("auth.refreshed", ({ ref }) => ref === "again");
  inbox.send({ type: "auth.refresh", token: newUser(), ref: "other" });
  expect((await inbox.next("error", ({ ref }) => ref === "other")).error.code).toBe("FORBIDDEN");
  inbox.send("{");
  expect(await inbox.untilClosed()).toMatchObject({ code: 4400 });
});

test("I2: ready has the list, the counts of all and the settings; an empty inbox as well", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const empty = await joinInbox(ana);
  expect(await empty.ready()).toMatchObject({
    protocol: 1,
    user_id: ana,
    conversations: [],
    has_more: false,
    unread: { total: 0, conversations: [] },
    settings: { invisible: false, read_receipts: true },
    expires_at: null,
  });
  const [first, second] = [await newConversation(ana, bo), await newConversation(ana, bo)];
  const a = await join(ana, first);
  await a.say("one");
  await a.say("two");
  const inbox = await joinInbox(bo);
  const { conversations, unread } = await inbox.ready();
  expect(conversations.map(({ id }) => id).sort()).toEqual([first, second].sort());
  expect(unread.conversations.length).toBe(2);
  await untilExact(bo, inbox);
  expect(inbox.total).toBe(2);
});

test("I3 I9: new conversations, messages, renames, removals and deletions reach the list by themselves", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const inbox = await joinInbox(bo);
  const id = await newConversation(ana, bo);
  await inbox.next("conversation.added", ({ conversation }) => conversation.id === id);
  // No object holds it: still the list is told.
  await call(ana, "PATCH", `/conversations/${id}`, { title: "Before" });
  await until(() => inbox.shown(id)?.title === "Before");
  expect(inbox.shown(id)?.last_message?.type).toBe("system");

  const a = await join(ana, id);
  await a.say("first words");
  await until(() => inbox.shown(id)?.last_message?.body?.text === "first words");
  expect(inbox.shown(id)?.me.unread_count).toBe(1);
  await until(() => inbox.total === 1);
  await call(ana, "PATCH", `/conversations/${id}`, { title: "After" });
  await until(() => inbox.shown(id)?.title === "After");
  await call(ana, "DELETE", `/conversations/${id}/messages/2`);
  await until(() => inbox.shown(id)?.me.unread_count === 0 && inbox.total === 0);
  await call(ana, "DELETE", `/conversations/${id}`);
  await until(() => inbox.shown(id) === null);

  const [loaded, unloaded] = [await newConversation(ana, bo), await newConversation(ana, bo)];
  await (await join(ana, loaded)).say("x");
  await until(() => inbox.shown(loaded)?.me.unread_count === 1);
  for (const gone of [loaded, unloaded]) {
    await call(ana, "DELETE", `/conversations/${gone}/participants/${bo}`);
    expect(inbox.shown(gone)).toBeNull();
    await call(ana, "POST", `/conversations/${gone}/participants`, { user_ids: [bo] });
    await until(() => inbox.shown(gone) !== null);
  }
  await untilExact(bo, inbox);
});

test("I4 I5 I6: a burst is told in few notices, the last of which holds", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const inbox = await joinInbox(bo);
  const a = await join(ana, id);
  await a.say("0");
  await until(() => inbox.shown(id)?.last_message_id === 1);
  const before = inbox.all("conversation.updated").length;
  await Promise.all(Array.from({ length: 30 }, (_, n) => a.say(`${n + 1}`)));
  await until(() => inbox.shown(id)?.last_message_id === 31);
  expect(inbox.all("conversation.updated").length - before).toBeLessThan(10);
  await until(async () => (await inspect(id)).told);
  await untilExact(bo, inbox);
  expect(inbox.total).toBe(31);
  // Told once more, as after the end of an object, nothing is said again.
  const said = inbox.events.length;
  await evictDurableObject(objectOf(id));
  await inspect(id);
  await until(async () => (await inspect(id)).told);
  expect(inbox.events.length).toBe(said);
});

test("I12: reactions, and edits of what is not the last message, are no news of the list", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(bo);
  for (const text of ["one", "two"]) await a.say(text);
  await until(() => inbox.shown(id)?.last_message_id === 2);
  await until(async () => (await inspect(id)).told);
  const told = inbox.events.length;
  a.send({ type: "reaction.add", id: 2, emoji: "👍" });
  a.send({ type: "message.edit", id: 1, body: { text: "one, edited" } });
  await a.next("message.updated", ({ message }) => message.id === 1);
  await until(async () => (await inspect(id)).told);
  expect(inbox.events.length).toBe(told);
  // What the list shows is.
  a.send({ type: "message.edit", id: 2, body: { text: "two, edited" } });
  await until(() => inbox.shown(id)?.last_message?.body?.text === "two, edited");
});

test("I7 U5: reading on one device tells the others, in conversation and inbox", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  for (const text of ["one", "two", "three"]) await a.say(text);
  const [phone, laptop] = [await joinInbox(bo), await joinInbox(bo)];
  await untilExact(bo, phone);
  const b = await join(bo, id);
  b.send({ type: "read.update", last_read_id: 2 });
  await b.next("read.updated", (event) => event.user_id === bo && event.last_read_id === 2);
  for (const inbox of [phone, laptop]) {
    await inbox.next("read.updated", (event) => event.conversation_id === id && event.last_read_id === 2);
    await until(() => inbox.total === 1 && inbox.shown(id)?.me.unread_count === 1);
  }
  await a.next("read.updated", (event) => event.user_id === bo && event.last_read_id === 2);
  // Never back, never beyond, and the same again is answered with what holds.
  b.send({ type: "read.update", last_read_id: 4, ref: "far" });
  expect((await b.next("error", ({ ref }) => ref === "far")).error.code).toBe("VALIDATION_FAILED");
  const told = b.all("read.updated").length;
  b.send({ type: "read.update", last_read_id: 1 });
  await until(() => b.all("read.updated").length > told);
  expect(b.all("read.updated").at(-1)).toMatchObject({ user_id: bo, last_read_id: 2 });
  await call(bo, "PUT", `/conversations/${id}/read`, { last_read_id: 3 });
  await until(() => phone.total === 0 && laptop.total === 0);
  await a.next("read.updated", (event) => event.user_id === bo && event.last_read_id === 3);
  await untilExact(bo, laptop);
});

test("U5 U6: an acknowledged position outlives the object, and is in ready", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  await (await join(ana, id)).say("one");
  const b = await join(bo, id);
  b.send({ type: "read.update", last_read_id: 1 });
  await b.next("read.updated", (event) => event.last_read_id === 1);
  await evictDurableObject(objectOf(id));
  const { participants, conversation } = await (await join(ana, id)).ready();
  expect(participants.find(({ user_id }) => user_id === bo)?.last_read_id).toBe(1);
  expect(conversation.me).toMatchObject({ last_read_id: 1 });
  expect((await (await join(bo, id)).ready()).conversation.me).toMatchObject({ unread_count: 0 });
});

test("U6: a thousand who read one message are told of in few frames, each with their newest position", async () => {
  const users = Array.from({ length: 1_000 }, newUser) as [string, ...string[]];
  const id = await newConversation(...users);
  const a = await join(users[0], id);
  for (const text of ["one", "two", "three"]) await a.say(text);
  const others = await Promise.all(users.slice(1).map((user) => join(user, id)));
  const frames = a.frames.length;
  for (const last_read_id of [1, 2, 3])
    for (const socket of others) socket.send({ type: "read.update", last_read_id });
  await until(
    () =>
      new Set(
        a
          .all("read.updated")
          .filter(({ last_read_id }) => last_read_id === 3)
          .map(({ user_id }) => user_id),
      ).size === others.length,
  );
  expect(a.frames.length - frames).toBeLessThan(20);
});

test("U7 W8: who gives no receipts is told to nobody else, at once and everywhere", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const [id, dormant] = [await newConversation(ana, bo), await newConversation(ana, bo)];
  const a = await join(ana, id);
  await a.say("one");
  const inbox = await joinInbox(bo);
  const settings = await call(bo, "PATCH", "/settings", { read_receipts: false });
  expect(settings.body.data).toEqual({ invisible: false, read_receipts: false });
  await inbox.next("settings.updated", (event) => !event.settings.read_receipts);
  const b = await join(bo, id);
  b.send({ type: "read.update", last_read_id: 1 });
  await b.next("read.updated", (event) => event.user_id === bo && event.last_read_id === 1);
  await a.say("two");
  expect(a.all("read.updated").filter(({ user_id }) => user_id === bo)).toEqual([]);
  const positionOf = (participants: Array<{ user_id: string; last_read_id: number }>) =>
    participants.find(({ user_id }) => user_id === bo)?.last_read_id;
  expect(positionOf((await (await join(ana, id)).ready()).participants)).toBe(0);
  expect(positionOf((await (await join(bo, id)).ready()).participants)).toBe(1);
  for (const [user, expected] of [
    [ana, 0],
    [bo, 1],
  ] as const) {
    const path = `/conversations/${id}/participants`;
    const { body } = await call<Array<{ user_id: string; last_read_id: number }>>(user, "GET", path);
    expect([user, positionOf(body.data)]).toEqual([user, expected]);
  }
  const { body } = await call<Array<{ user_id: string; last_read_id: number }>>(
    ana,
    "GET",
    `/conversations/${dormant}/participants`,
  );
  expect(positionOf(body.data)).toBe(0);
  await call(bo, "PATCH", "/settings", { read_receipts: true });
  await a.next(
    "conversation.participant_updated",
    ({ participant }) => participant.user_id === bo && participant.last_read_id === 1,
  );
});

test("I8: whoever is removed is told so before it is answered, and nothing more of it", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(bo);
  await a.say("secret 1");
  await until(() => inbox.shown(id)?.last_message_id === 1);
  for (let n = 0; n < 10; n += 1)
    a.send({ type: "message.send", temp_id: `t${n}`, body: { text: `secret ${n}` } });
  expect((await call(ana, "DELETE", `/conversations/${id}/participants/${bo}`)).status).toBe(204);
  const last = inbox.events.length;
  expect(inbox.all("conversation.removed")).toEqual([{ type: "conversation.removed", conversation_id: id }]);
  await a.say("after");
  await until(async () => (await inspect(id)).told);
  expect(JSON.stringify(inbox.events.slice(last))).not.toContain(id);
  expect((await inspect(id)).inboxes).toBe(0);
  await until(() => inbox.total === 0);
});

test("I8: while the removed user's inbox cannot be told, the removal is not answered as done", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  await (await join(ana, id)).say("x");
  const inbox = await joinInbox(bo);
  const mend = await breakRpc(inboxOf(bo), "notify");
  const refused = await call(ana, "DELETE", `/conversations/${id}/participants/${bo}`);
  expect([refused.status, refused.body.error.retryable]).toEqual([503, true]);
  await mend();
  // Again: there is nobody to remove any more, and the inbox is told all the same.
  expect((await call(ana, "DELETE", `/conversations/${id}/participants/${bo}`)).status).toBe(404);
  expect(inbox.shown(id)).toBeNull();
});

test("I9: when a Worker died before it told anybody, the cron does", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const inbox = await joinInbox(bo);
  const removed = await newConversation(ana, bo);
  await until(() => inbox.shown(removed) !== null);
  const added = crypto.randomUUID();
  await db.batch([
    db.execute(
      sql`insert into conversations (id, type, created_by) values (${added}::uuid, 'group', ${ana})`,
    ),
    db.execute(sql`insert into participants (conversation_id, user_id, role)
      values (${added}::uuid, ${ana}, 'admin'), (${added}::uuid, ${bo}, 'member')`),
    db.execute(sql`insert into outbox (conversation_id, version, created_at)
      values (${added}::uuid, 1, now() - interval '1 minute')`),
    db.execute(sql`delete from participants where conversation_id = ${removed}::uuid and user_id = ${bo}`),
    db.execute(sql`insert into outbox (conversation_id, version, body, created_at)
      values (${removed}::uuid, 2, ${JSON.stringify({ data: { event: "participant_removed", user_id: bo } })}::jsonb,
              now() - interval '1 minute')`),
  ]);
  await worker.scheduled({} as ScheduledController, testEnv);
  await until(() => inbox.shown(added) !== null && inbox.shown(removed) === null);
});

test("I10: an inbox of very many conversations follows the newest, and counts the rest", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const { rows } = await db.execute<{ id: string }>(sql`
    with c as (
      insert into conversations (id, type, created_by, updated_at, last_message_id, seq)
      select gen_random_uuid(), 'group', ${ana}, now() - n * interval '1 minute', 2, 2
      from generate_series(1, 1005) n returning id, updated_at),
    p as (
      insert into participants (conversation_id, user_id, role)
      select id, user_id, 'member' from c, (values (${ana}), (${bo})) as u(user_id))
    select id from c order by updated_at limit 4`);
  const ids = rows.map(({ id }) => id) as [string, string, string, string];
  const inbox = await joinInbox(bo);
  const { conversations, has_more, next_cursor, unread } = await inbox.ready();
  expect([conversations.length, has_more, unread.conversations.length, unread.total]).toEqual([
    50,
    true,
    1000,
    2010,
  ]);
  expect((await unreadOf(bo)).total).toBe(2010);
  const older = await call<Conversation[]>(bo, "GET", `/conversations?cursor=${next_cursor}`);
  expect(older.body.data.length).toBe(50);
  expect(await inspectInbox(bo)).toMatchObject({ leased: 0, total: 2010 });
  // One of the rest becomes active: it is followed from then on, and what was unread in it is not counted twice.
  const send = (id: string) =>
    call(ana, "POST", `/conversations/${id}/messages`, {
      temp_id: crypto.randomUUID(),
      body: { text: "up" },
    });
  await send(ids[0]);
  await until(() => inbox.total === 2011);
  await evictDurableObject(inboxOf(bo));
  await send(ids[1]);
  await until(() => inbox.total === 2012);
  await untilDrained(ids[1]);
  expect((await unreadOf(bo)).total).toBe(2012);
  // Also not by whoever comes then.
  expect((await joinInbox(bo)).total).toBe(2012);
  await evictDurableObject(inboxOf(bo));
  await call(bo, "DELETE", `/conversations/${ids[2]}/participants/${bo}`);
  await inbox.next("conversation.removed", ({ conversation_id }) => conversation_id === ids[2]);
  await until(() => inbox.total === 2010);
  // What nobody tells of those that are not followed is found when everything is looked up once more.
  await db.execute(sql`update participants set last_read_id = 2
    where conversation_id = ${ids[3]}::uuid and user_id = ${bo}`);
  await restartInbox(bo, { untilMs: Date.now() + 60_000 });
  await runDurableObjectAlarm(inboxOf(bo));
  await until(() => inbox.total === 2008);
});

test("I11 S14: an inbox that slept goes on with the same counts, without asking Postgres", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const ids = [await newConversation(ana, bo), await newConversation(ana, bo)] as const;
  const sockets = [await join(ana, ids[0]), await join(ana, ids[1])] as const;
  const inbox = await joinInbox(bo);
  for (let n = 0; n < 3; n += 1) await sockets[0].say(`${n}`);
  await sockets[1].say("x");
  await until(() => inbox.total === 4);
  await evictDurableObject(inboxOf(bo));
  expect(await inspectInbox(bo)).toMatchObject({ total: 4, sockets: 1 });
  await sockets[1].say("y");
  await until(() => inbox.total === 5);
  await untilExact(bo, inbox);
  // Both asleep, and the conversation first of all has to find out whom to tell.
  await evictDurableObject(inboxOf(bo));
  await evictDurableObject(objectOf(ids[0]));
  await call(ana, "POST", `/conversations/${ids[0]}/messages`, { temp_id: "z", body: { text: "z" } });
  await until(() => inbox.total === 6);
  await untilExact(bo, inbox);
});

test("I11: an inbox that cannot know what its clients know asks Postgres, and tells what comes of it", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const ids = [await newConversation(ana, bo), await newConversation(ana, bo)] as const;
  const sockets = [await join(ana, ids[0]), await join(ana, ids[1])] as const;
  const inbox = await joinInbox(bo);
  await until(async () => (await inspect(ids[0])).inboxes + (await inspect(ids[1])).inboxes === 2);
  // Postgres has everything before the inbox is told anything, and what its sockets kept is of another list.
  await breakRpc(inboxOf(bo), "notify");
  await Promise.all(sockets.map((socket) => socket.say("x")));
  for (const id of ids) await untilDrained(id);
  await restartInbox(bo, { list: 999 });
  await until(() => inbox.total === 2);
  await until(() => ids.every((id) => inbox.shown(id)?.last_message_id === 1));
  await untilExact(bo, inbox);
});

test("I2 I11: ready comes first, and earlier sockets are told what it found", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(bo);
  await until(async () => (await inspect(id)).inboxes === 1);
  const mends = [await breakRpc(inboxOf(bo), "notify"), await breakRpc(inboxOf(bo), "refresh")];
  await a.say("one");
  const untold = await newConversation(ana, bo);
  await (await join(ana, untold)).say("two");
  for (const drained of [id, untold]) await untilDrained(drained);
  for (const mend of mends) await mend();
  const second = await joinInbox(bo);
  expect(second.events[0]?.type).toBe("ready");
  await until(() => inbox.total === 2 && inbox.shown(untold) !== null);
  expect(second.total).toBe(2);
});

test("I5 I11: what an inbox could not be told while it failed, it is told afterwards", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(bo);
  await a.say("one");
  await until(() => inbox.total === 1);
  const mend = await breakRpc(inboxOf(bo), "notify");
  await a.say("two");
  await mend();
  await until(() => inbox.total === 2);
  // And an object that died with it untold tells it when it comes back.
  const mendAgain = await breakRpc(inboxOf(bo), "notify");
  await a.say("three");
  await evictDurableObject(objectOf(id));
  await mendAgain();
  await runDurableObjectAlarm(objectOf(id));
  await until(() => inbox.total === 3);
});

test("A9: revoking a user's credentials closes their inbox, and an ended one closes by itself", async () => {
  const cy = newUser();
  const token = await new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(cy)
    .setIssuer("arcyou-chat")
    .setAudience("arcyou-chat")
    .setJti("gone")
    .setIssuedAt()
    .setExpirationTime("50s")
    .sign(new TextEncoder().encode(testEnv.CHAT_TOKEN_SECRET));
  const inbox = await joinInbox(token);
  await runDurableObjectAlarm(inboxOf(cy));
  await inbox.next("auth.expiring");
  await call(SERVICE_KEYS.all, "POST", "/auth/revoke", { user_id: cy, jti: "gone" });
  expect(await inbox.untilClosed()).toEqual({ code: 4401, reason: "revoked" });
});

test("A9: a credential that was ended while it opened an inbox for the first time does not open it", async () => {
  const cy = newUser();
  // The Worker looked before it was stored, and the inbox was told before the Worker asked it.
  await (inboxOf(cy) as unknown as InboxRpc).revoke({ userId: cy, jti: null, beforeMs: Date.now() + 60_000 });
  expect(await (await openInbox(cy)).untilClosed()).toEqual({ code: 4401, reason: "revoked" });
});

test("S12 S16: sockets of an inbox are bounded, and a client that comes back replaces its own", async () => {
  const ana = newUser();
  const first = await joinInbox(ana, "?client_id=tab");
  await joinInbox(ana, "?client_id=tab");
  expect(await first.untilClosed()).toEqual({ code: 1000, reason: "replaced" });
  for (let n = 0; n < 19; n += 1) await joinInbox(ana);
  expect(await (await openInbox(ana)).untilClosed()).toMatchObject({ code: 4429 });
});

test.each([1, 2, 3])(
  "I5 I6 I7: whatever happens to whom, every inbox ends with what REST says, seed %d",
  async (seed) => {
    const random = new Random(seed);
    const users = Array.from({ length: 5 }, newUser) as [string, ...string[]];
    const ids = [await newConversation(...users), await newConversation(users[0], ...users.slice(2))];
    const inboxes = new Map<string, InboxSocket>();
    for (const user of users) inboxes.set(user, await joinInbox(user));
    const [admin] = users;
    for (let step = 0; step < 50; step += 1) {
      const user = users[random.integer(0, 4)] ?? admin;
      const id = ids[random.integer(0, ids.length - 1)] ?? "";
      const path = `/conversations/${id}`;
      const head = (await inspect(id)).head;
      switch (random.integer(0, 9)) {
        case 0:
          await evictDurableObject(objectOf(id));
          break;
        case 1:
          await inspectInbox(user);
          await evictDurableObject(inboxOf(user));
          break;
        case 2:
          await call(user, "PUT", `${path}/read`, { last_read_id: random.integer(0, head) });
          break;
        case 3:
          if (head > 0) await call(admin, "DELETE", `${path}/messages/${random.integer(1, head)}`);
          break;
        case 4:
          if (user !== admin) await call(admin, "DELETE", `${path}/participants/${user}`);
          break;
        case 5:
          await call(admin, "POST", `${path}/participants`, { user_ids: [user] });
          break;
        case 6:
          inboxes.get(user)?.close();
          inboxes.set(user, await joinInbox(user));
          break;
        default:
          await call(user, "POST", `${path}/messages`, { temp_id: `${step}`, body: { text: `${step}` } });
      }
    }
    for (const user of users) {
      const inbox = inboxes.get(user);
      if (!inbox) throw new Error("Everybody has an inbox.");
      await untilExact(user, inbox);
      const mine = (await unreadOf(user)).conversations.map(({ id }) => id);
      for (const id of ids) expect([user, inbox.shown(id) !== null]).toEqual([user, mine.includes(id)]);
    }
  },
);
