import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { sql } from "drizzle-orm";
import { expect, test, vi } from "vitest";
import { Inbox } from "../../durable-objects/inbox.ts";
import { SILENCE_MS } from "../../durable-objects/presence.ts";
import type { ConversationRpc, InboxRpc } from "../../durable-objects/rpc.ts";
import type { Participant } from "../../protocol/entities.ts";
import worker from "../../workers/index.ts";
import {
  breakRpc,
  call,
  db,
  inboxOf,
  inspect,
  inspectInbox,
  join,
  joinInbox,
  newConversation,
  newUser,
  objectOf,
  restartInbox,
  storedInbox,
  type TestSocket,
  testEnv,
  until,
} from "./harness.ts";

/** What a conversation's socket was told of a user, last; what `ready` said before that. */
async function online(socket: TestSocket, userId: string): Promise<boolean | undefined> {
  const told = socket.all("presence.updated").findLast((event) => event.user_id === userId);
  const { participants } = await socket.ready();
  return told?.online ?? participants.find((participant) => participant.user_id === userId)?.online;
}

const listed = async (viewer: string, id: string, userId: string) =>
  (await call<Participant[]>(viewer, "GET", `/conversations/${id}/participants`)).body.data.find(
    (participant) => participant.user_id === userId,
  );

const rpcOf = (id: string) => objectOf(id) as unknown as ConversationRpc;

/** The inbox's alarm, as if the grace of whoever left were over. */
async function leaveForGood(userId: string): Promise<void> {
  await until(async () => (await inspectInbox(userId)).sockets === 0);
  const { leftAtMs } = await storedInbox(userId);
  await restartInbox(userId, { leftAtMs: Number(leftAtMs) - 10_000 });
  await runDurableObjectAlarm(inboxOf(userId));
}

test("W1 W2: whoever opens their inbox is online in all conversations, and in the inboxes of others", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const ids = [await newConversation(ana, bo), await newConversation(ana, bo)] as const;
  const sockets = await Promise.all(ids.map((id) => join(ana, id)));
  await join(bo, ids[0]).then((socket) => socket.close());
  const inbox = await joinInbox(ana);
  expect(inbox.isOnline(bo)).toBe(false);
  await joinInbox(bo);
  for (const socket of sockets) await until(() => online(socket, bo));
  await until(() => inbox.isOnline(bo));
  expect(await listed(ana, ids[1], bo)).toMatchObject({ online: true });
  // Whoever comes now finds it in what they are greeted with.
  expect(await online(await join(ana, ids[1]), bo)).toBe(true);
  expect((await joinInbox(ana)).isOnline(bo)).toBe(true);
});

test("W1 W3 W4: several devices are one person, who is gone with the last of them, after a grace", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(ana);
  const [phone, laptop] = [await joinInbox(bo), await joinInbox(bo)];
  await until(async () => inbox.isOnline(bo) && (await online(a, bo)));
  phone.close();
  await until(async () => (await inspectInbox(bo)).sockets === 1);
  laptop.close();
  await until(async () => (await inspectInbox(bo)).sockets === 0);
  // Back in time, as with a reload: nobody hears of it.
  const again = await joinInbox(bo);
  await runDurableObjectAlarm(inboxOf(bo));
  expect(a.all("presence.updated").filter(({ user_id }) => user_id === bo).length).toBe(1);
  expect(inbox.all("presence.updated").filter(({ user_id }) => user_id === bo).length).toBe(1);

  again.close();
  await leaveForGood(bo);
  await until(async () => (await online(a, bo)) === false && !inbox.isOnline(bo));
  const told = inbox.all("presence.updated").at(-1);
  expect(told).toMatchObject({ user_id: bo, online: false });
  expect(Date.parse(told?.last_seen_at ?? "")).toBeLessThanOrEqual(Date.now());
  expect(await listed(ana, id, bo)).toMatchObject({ online: false, last_seen_at: told?.last_seen_at });
  expect(await inspectInbox(bo)).toMatchObject({ leased: 0, sockets: 0 });
  const { rows } = await db.execute(sql`select online_until from presence where user_id = ${bo}`);
  expect(rows).toEqual([{ online_until: null }]);
  // And comes back: online anew, in a higher turn.
  const { turn } = await inspectInbox(bo);
  await joinInbox(bo);
  await until(() => inbox.isOnline(bo));
  expect((await inspectInbox(bo)).turn).toBeGreaterThan(turn);
});

test("W3: whoever falls silent without a word is found out by the alarm, and is gone", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(bo);
  await until(() => online(a, bo));
  await runInDurableObject(inboxOf(bo), (_, state) => {
    for (const socket of state.getWebSockets()) {
      const attachment = socket.deserializeAttachment();
      socket.serializeAttachment({ ...attachment, connectedAt: attachment.connectedAt - 80_000 });
    }
  });
  await evictDurableObject(inboxOf(bo));
  await runDurableObjectAlarm(inboxOf(bo));
  expect(await inbox.untilClosed()).toEqual({ code: 4500, reason: "silent" });
  await until(async () => (await online(a, bo)) === false);
});

test("W3 W6: when an object died with all sockets, whoever comes back was never gone, and whoever does not is", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const id = await newConversation(ana, bo, cy);
  const a = await join(ana, id);
  for (const user of [bo, cy]) await joinInbox(user);
  await until(async () => (await online(a, bo)) && (await online(a, cy)));
  for (const user of [bo, cy]) {
    // The sockets are gone, and nobody was told so: what is stored is all there is.
    await runInDurableObject(inboxOf(user), (_, state) => {
      for (const socket of state.getWebSockets()) socket.close(1012, "restart");
      state.storage.sql.exec("update inbox set state = json_set(state, '$.leftAtMs', null)");
    });
    await evictDurableObject(inboxOf(user));
  }
  await joinInbox(bo);
  for (const user of [bo, cy]) await runDurableObjectAlarm(inboxOf(user));
  expect(await online(a, cy)).toBe(true);
  await leaveForGood(cy);
  await until(async () => (await online(a, cy)) === false);
  expect(await online(a, bo)).toBe(true);
  expect(a.all("presence.updated").filter(({ user_id }) => user_id === bo).length).toBe(1);
});

test("W1 W3: a conversation's socket alone makes one online there, until it closed and nobody came back", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const b = await join(bo, id);
  await until(() => online(a, bo));
  b.close();
  await until(async () => (await runDurableObjectAlarm(objectOf(id))) && (await online(a, bo)) === false);
  expect(await listed(ana, id, bo)).toMatchObject({ online: false, last_seen_at: expect.any(String) });
});

test("W6 S14: hibernation of conversation and inbox changes nothing of who is there", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const b = await joinInbox(bo);
  const inbox = await joinInbox(ana);
  await until(async () => (await online(a, bo)) && inbox.isOnline(bo));
  const told = a.all("presence.updated").length;
  for (const object of [objectOf(id), inboxOf(ana), inboxOf(bo)]) await evictDurableObject(object);
  for (const object of [inboxOf(ana), inboxOf(bo), objectOf(id)]) await runDurableObjectAlarm(object);
  expect(await online(await join(ana, id), bo)).toBe(true);
  expect(a.all("presence.updated").length).toBe(told);
  // Silence is looked for by an alarm, whatever else there is to do.
  const alarm = await runInDurableObject(inboxOf(bo), (_, state) => state.storage.getAlarm());
  expect(alarm).toBeLessThanOrEqual(Date.now() + SILENCE_MS);
  b.close();
  await leaveForGood(bo);
  await until(async () => (await online(a, bo)) === false && !inbox.isOnline(bo));
});

test("W7: a lease that nobody renews ends by itself", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  await joinInbox(bo);
  await until(() => online(a, bo));
  const inbox = await joinInbox(ana);
  await until(() => inbox.isOnline(bo));
  // It ends while the conversation sleeps.
  await runInDurableObject(objectOf(id), (_, state) => {
    state.storage.sql.exec("update leases set until_ms = ? where user_id = ?", Date.now() - 1, bo);
  });
  await evictDurableObject(objectOf(id));
  await runDurableObjectAlarm(objectOf(id));
  await until(async () => (await online(a, bo)) === false && !inbox.isOnline(bo));
  const stored = () =>
    runInDurableObject(objectOf(id), (_, state) =>
      state.storage.sql.exec("select until_ms from leases where user_id = ?", bo).one(),
    );
  await until(async () => (await stored()).until_ms === 0);
  // The inbox was late, and its user there all the time: of the same turn, and news all the same.
  await restartInbox(bo, { untilMs: Date.now() + 60_000 });
  await runDurableObjectAlarm(inboxOf(bo));
  await until(async () => (await online(a, bo)) === true && inbox.isOnline(bo));
});

test("W3: a lease that its release overtook holds nobody online", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  await join(ana, id);
  const lease = { turn: 100, untilMs: Date.now() + 1_000_000 };
  for (const turn of [100, 200]) {
    await rpcOf(id).release(bo, turn, null);
    await rpcOf(id).lease(bo, { ...lease, turn }, null);
    expect((await inspect(id)).inboxes).toBe(0);
    await rpcOf(id).lease(bo, { ...lease, turn: turn + 2 }, null);
    expect((await inspect(id)).inboxes).toBe(1);
    // Of an earlier turn, and of no effect.
    await rpcOf(id).release(bo, turn, null);
    expect((await inspect(id)).inboxes).toBe(1);
  }
});

test("W3: an inbox that says it is closed, and is opened while it says so, stays leased", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  await rpcOf(id).lease(bo, { turn: 1, untilMs: Date.now() + 1_000_000 }, null);
  const answers: Array<() => void> = [];
  const notify = vi.spyOn(Inbox.prototype, "notify").mockImplementation(
    () =>
      new Promise((resolve) => {
        answers.push(() => resolve({ online: false }));
      }),
  );
  await a.say("x");
  await until(() => answers.length === 1);
  notify.mockRestore();
  await rpcOf(id).lease(bo, { turn: 3, untilMs: Date.now() + 1_000_000 }, null);
  await runInDurableObject(inboxOf(bo), () => {
    for (const answer of answers) answer();
  });
  // The newer one finds out for itself that the inbox is not open after all.
  expect((await inspect(id)).inboxes).toBe(1);
  await a.say("y");
  await until(async () => (await inspect(id)).inboxes === 0);
});

test("I11: an inbox that could not ask a conversation asks it again, also after a sleep", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const mend = await breakRpc(objectOf(id), "lease");
  const inbox = await joinInbox(bo);
  expect(await inspectInbox(bo)).toMatchObject({ unleased: 1 });
  await mend();
  await evictDurableObject(inboxOf(bo));
  expect((await inspect(id)).inboxes).toBe(0);
  await runDurableObjectAlarm(inboxOf(bo));
  expect((await inspect(id)).inboxes).toBe(1);
  await a.say("x");
  await until(() => inbox.total === 1);
  await until(() => online(a, bo));
});

test("I9 I11: an object that died before it found whose inbox is open finds them when it comes back", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const inbox = await joinInbox(bo);
  const a = await join(ana, id);
  await until(async () => (await inspect(id)).inboxes === 1);
  const versions = () =>
    runInDurableObject(objectOf(id), (_, state) => {
      const row = state.storage.sql.exec<{ state: string }>("select state from conversation").one();
      const { version, introducedVersion } = JSON.parse(row.state);
      return [version, introducedVersion];
    });
  await until(async () => (await versions()).join() === "1,1");
  await runInDurableObject(objectOf(id), (_, state) => {
    state.storage.sql.exec("update conversation set state = json_set(state, '$.introducedVersion', 0)");
    state.storage.sql.exec("delete from leases");
  });
  await evictDurableObject(objectOf(id));
  await a.say("x");
  await until(() => inbox.total === 1);
  expect(await versions()).toEqual([1, 1]);
});

test("I11 W6: what died before others were told of somebody is made up for with the next thing they are told", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(ana);
  const own = await joinInbox(bo);
  await until(() => inbox.isOnline(bo) && own.isOnline(ana));
  // Stored, and nobody was told.
  await runInDurableObject(objectOf(id), (_, state) => {
    state.storage.sql.exec("update leases set until_ms = 0 where user_id = ?", bo);
  });
  await evictDurableObject(objectOf(id));
  await inspect(id);
  expect(inbox.isOnline(bo)).toBe(true);
  await a.say("anything");
  await until(() => !inbox.isOnline(bo));
});

test("W2: whoever shares no conversation any more is not shown, once all conversations were asked", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  await join(ana, id);
  const inbox = await joinInbox(ana);
  await joinInbox(bo);
  await until(() => inbox.isOnline(bo));
  await call(bo, "DELETE", `/conversations/${id}/participants/${bo}`);
  // As it is every 40 minutes.
  await restartInbox(ana, { untilMs: Date.now() + 60_000 });
  await runDurableObjectAlarm(inboxOf(ana));
  expect((await joinInbox(ana)).isOnline(bo)).toBe(false);
});

test("I11 W7: an inbox renews its leases, and finds what it missed", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  await a.say("one");
  const inbox = await joinInbox(bo);
  await until(() => inbox.total === 1);
  // The conversation forgot the lease, the inbox was told nothing, and its own is about to end.
  await runInDurableObject(objectOf(id), (_, state) => {
    state.storage.sql.exec("delete from leases");
  });
  await evictDurableObject(objectOf(id));
  await a.say("two");
  expect(inbox.total).toBe(1);
  await restartInbox(bo, { untilMs: Date.now() + 60_000 });
  await runDurableObjectAlarm(inboxOf(bo));
  await until(() => inbox.total === 2);
  await a.say("three");
  await until(() => inbox.total === 3);
});

test("W5 W8: whoever is invisible is offline to others at once, is not seen typing, and sees everything", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(ana);
  const own = await joinInbox(bo);
  const b = await join(bo, id);
  await until(async () => (await online(a, bo)) && inbox.isOnline(bo));
  expect((await call(bo, "PATCH", "/settings", { invisible: true })).status).toBe(200);
  await until(async () => (await online(a, bo)) === false && !inbox.isOnline(bo));
  // To others it looks as if they had left, and goes on to.
  const left = inbox.all("presence.updated").at(-1);
  expect(left).toMatchObject({ online: false, last_seen_at: expect.any(String) });
  const { last_seen_at } = left ?? {};
  expect(a.all("conversation.participant_updated")).toEqual([]);
  expect((await call(bo, "PATCH", "/settings", { invisible: true })).status).toBe(200);
  expect(await listed(ana, id, bo)).toMatchObject({ online: false, last_seen_at });
  b.send({ type: "typing", typing: true });
  await b.say("seen all the same");
  expect(a.all("user.typing")).toEqual([]);
  await until(() => own.isOnline(ana));
  await own.next("settings.updated", ({ settings }) => settings.invisible);
  await evictDurableObject(objectOf(id));
  expect(await online(await join(ana, id), bo)).toBe(false);
  await call(bo, "PATCH", "/settings", { invisible: false });
  await until(async () => (await online(a, bo)) && inbox.isOnline(bo));
});

test("W8: what was decided last holds, however it is told, and the cron tells what a Worker could not", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const own = await joinInbox(bo);
  await until(() => online(a, bo));
  await call(bo, "PATCH", "/settings", { invisible: true });
  await call(bo, "PATCH", "/settings", { invisible: false });
  // The first one comes late.
  const late = { invisible: true, read_receipts: true, version: 1 };
  await (objectOf(id) as unknown as ConversationRpc).settingsChanged(bo, late);
  await (inboxOf(bo) as unknown as InboxRpc).settingsChanged(late);
  expect(await listed(ana, id, bo)).toMatchObject({ online: true });
  expect(own.all("settings.updated").map(({ settings }) => settings.invisible)).toEqual([true, false]);
  const { rows } = await db.execute(
    sql`select version::int, told_version::int from user_settings where user_id = ${bo}`,
  );
  expect(rows).toEqual([{ version: 2, told_version: 2 }]);
  // A Worker dies after it stored, and before it told anybody.
  await db.execute(sql`
    update user_settings set invisible = true, version = 3, updated_at = now() - interval '1 minute'
    where user_id = ${bo}`);
  await worker.scheduled({} as ScheduledController, testEnv);
  await until(async () => (await online(a, bo)) === false);
  await own.next("settings.updated", ({ settings }) => settings.invisible);
  expect((await joinInbox(bo)).all("settings.updated")).toEqual([]);
});

test("W5: whoever hid is seen as of then, whatever an inbox says that does not know it yet", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const own = await joinInbox(bo);
  await until(() => online(a, bo));
  await call(bo, "PATCH", "/settings", { invisible: true });
  const hidden = (await listed(ana, id, bo))?.last_seen_at;
  const saved = () => db.execute(sql`select last_seen_at from presence where user_id = ${bo}`);
  const { rows } = await saved();
  own.close();
  await until(async () => (await inspectInbox(bo)).sockets === 0);
  await restartInbox(bo, { settings: { invisible: false, read_receipts: true, version: 0 } });
  await leaveForGood(bo);
  expect(await inspectInbox(bo)).toMatchObject({ leased: 0 });
  expect(await listed(ana, id, bo)).toMatchObject({ online: false, last_seen_at: hidden });
  expect((await saved()).rows).toEqual(rows);
});

test("W8: a setting is answered as done when others saw it, told whoever is on their way in, and only when it is news", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const inbox = await joinInbox(ana);
  await joinInbox(bo);
  await until(() => inbox.isOnline(bo));
  const mend = await breakRpc(inboxOf(ana), "notify");
  const refused = await call(bo, "PATCH", "/settings", { invisible: true });
  expect([refused.status, refused.body.error.retryable]).toEqual([503, true]);
  await mend();
  await until(async () => (await call(bo, "PATCH", "/settings", { invisible: true })).status === 200);
  await until(() => !inbox.isOnline(bo));
  const version = async (userId: string) =>
    (
      await db.execute(
        sql`select version::int, told_version::int from user_settings where user_id = ${userId}`,
      )
    ).rows;
  expect(await version(bo)).toEqual([{ version: 1, told_version: 1 }]);
  // Nobody is called for what everybody knows.
  const again = await breakRpc(objectOf(id), "settingsChanged");
  expect((await call(bo, "PATCH", "/settings", { invisible: true, read_receipts: true })).status).toBe(200);
  await again();
  expect(await version(bo)).toEqual([{ version: 1, told_version: 1 }]);

  // Added, and the object does not know it yet.
  await db.batch([
    db.execute(sql`insert into participants (conversation_id, user_id, role, visible_from_id)
      values (${id}::uuid, ${cy}, 'member', null)`),
    db.execute(sql`update conversations set version = version + 1 where id = ${id}::uuid`),
  ]);
  const settings = { invisible: true, read_receipts: true, version: 1 };
  expect(await rpcOf(id).settingsChanged(cy, settings)).toEqual({ ok: true, value: undefined });
  await joinInbox(cy);
  await join(cy, id);
  expect(await listed(ana, id, cy)).toMatchObject({ online: false });
  expect(a.all("presence.updated").filter(({ user_id }) => user_id === cy)).toEqual([]);
});

test("W2: in a large conversation presence is told there, and not in inboxes", async () => {
  const users = Array.from({ length: 52 }, newUser) as [string, ...string[]];
  const [ana, bo = ""] = users;
  const id = await newConversation(...users);
  const a = await join(ana, id);
  const inbox = await joinInbox(ana);
  await joinInbox(bo);
  await until(() => online(a, bo));
  expect(inbox.all("presence.updated")).toEqual([]);
});

test("T1 T2 T3 T4: typing is told to the others, at most once in two seconds, and stored nowhere", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  const rows = () => runInDurableObject(objectOf(id), (_, state) => state.storage.sql.databaseSize);
  const size = await rows();
  for (let n = 0; n < 10; n += 1) b.send({ type: "typing", typing: true });
  await a.next("user.typing", (event) => event.user_id === bo && event.typing);
  b.send({ type: "typing", typing: false });
  await a.next("user.typing", (event) => event.user_id === bo && !event.typing);
  expect(a.all("user.typing").length).toBe(2);
  expect(b.all("user.typing")).toEqual([]);
  expect(await rows()).toBe(size);
  // A message ends it on every side by itself.
  b.send({ type: "typing", typing: true });
  await until(() => a.all("user.typing").length === 3);
  await b.say("done");
  b.send({ type: "typing", typing: false });
  await b.say("really");
  expect(a.all("user.typing").length).toBe(3);
});
