import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { backfillSearch } from "../../db/search-index.ts";
import type { Conversation, Message } from "../../protocol/entities.ts";
import { LIMITS } from "../../protocol/limits.ts";
import type { SearchHit } from "../../protocol/rest.ts";
import {
  call,
  db,
  inspect,
  join,
  newConversation,
  newUser,
  type TestSocket,
  untilDrained,
} from "./harness.ts";

interface Page {
  data: SearchHit[];
  has_more: boolean;
  next_before_id?: number;
  next_cursor?: string;
}

async function get(user: string, path: string, query: Record<string, string | number>): Promise<Page> {
  const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  const { status, body } = await call<SearchHit[]>(user, "GET", `${path}?${search}`);
  expect(body).toMatchObject({ data: expect.any(Array) });
  expect(status).toBe(200);
  return body as unknown as Page;
}

const searchIn = (user: string, id: string, q: string, more: Record<string, number> = {}) =>
  get(user, `/conversations/${id}/messages/search`, { q, ...more });
const searchAll = (user: string, q: string, more: Record<string, string | number> = {}) =>
  get(user, "/search", { q, ...more });

const texts = ({ data }: Page) => data.map(({ body }) => body?.text);
const ids = ({ data }: Page) => data.map(({ id }) => id);
const lit = ({ data }: Page) =>
  data.flatMap(({ body, highlights }) => highlights.map(({ start, end }) => body?.text?.slice(start, end)));

/** All pages of a search, one after the other. `between` happens after each. */
async function allPages(
  search: (more: Record<string, string | number>) => Promise<Page>,
  between: () => Promise<unknown> = async () => {},
): Promise<SearchHit[]> {
  const hits: SearchHit[] = [];
  let more: Record<string, string | number> = {};
  for (let pages = 0; pages < 1_000; pages += 1) {
    const page = await search(more);
    hits.push(...page.data);
    if (!page.has_more) return hits;
    more =
      page.next_cursor === undefined
        ? { before_id: page.next_before_id ?? Number.NaN }
        : { cursor: page.next_cursor };
    await between();
  }
  throw new Error("The pages do not end.");
}

const keyOf = ({ conversation_id, id }: Pick<Message, "conversation_id" | "id">) =>
  `${conversation_id}/${id}`;
const send = (user: string, id: string, text: string) =>
  call<Message>(user, "POST", `/conversations/${id}/messages`, {
    temp_id: crypto.randomUUID(),
    body: { text },
  });

/** Lets nothing of the conversation's messages reach Postgres while `work` runs. */
async function whileNothingDrains(id: string, work: () => Promise<void>): Promise<void> {
  const name = `hold_${id.replaceAll("-", "")}`;
  await db.execute(
    sql.raw(`create function ${name}() returns trigger language plpgsql as $$
      begin if new.conversation_id = '${id}' then raise exception 'held' using errcode = '57P03'; end if; return new; end $$`),
  );
  await db.execute(
    sql.raw(
      `create trigger ${name} before insert or update on messages for each row execute function ${name}()`,
    ),
  );
  try {
    await work();
  } finally {
    await db.execute(sql.raw(`drop function ${name}() cascade`));
  }
}

/** Groups as Postgres has them that no object ever loaded. */
async function storeConversations(count: number, ...users: string[]): Promise<string[]> {
  const made = Array.from({ length: count }, () => crypto.randomUUID());
  const rows = JSON.stringify(made.flatMap((id) => users.map((user) => ({ id, user }))));
  await db.execute(sql`
    insert into conversations (id, type, created_by)
    select distinct r.id, 'group', ${users[0]} from jsonb_to_recordset(${rows}::jsonb) as r(id uuid)`);
  await db.execute(sql`
    insert into participants (conversation_id, user_id, role)
    select r.id, r.user, 'admin' from jsonb_to_recordset(${rows}::jsonb) as r(id uuid, "user" text)`);
  return made;
}

/** Messages as they were stored before there was a search: `n` of them, whose text says which. */
async function storeOld(
  conversationId: string,
  senderId: string,
  count: number,
  text: string,
): Promise<void> {
  await db.execute(sql`
    insert into messages (conversation_id, id, seq, created_seq, sender_id, type, body, created_at)
    select ${conversationId}::uuid, n, n, n, ${senderId}, 'user',
           jsonb_build_object('text', replace(${text}, '#', n::text)),
           date_trunc('second', now()) - (${count}::int - n) / 10 * interval '1 second' - interval '1 hour'
    from generate_series(1, ${count}::int) n`);
  await db.execute(sql`
    update conversations set last_message_id = ${count}, seq = ${count}, updated_at = now() - interval '1 hour'
    where id = ${conversationId}::uuid`);
}

async function backfill(): Promise<void> {
  while ((await backfillSearch(db)) > 0);
}

test("F1 F2: a part of a word is found in every script, and lit up where the text says it", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  const said = ["오늘 김밥을 먹었다", "今日はｶﾞｿﾘﾝを買う", "我们明天去北京大学", "The QUICK fox 😀"];
  for (const text of said) await a.say(text);
  const [message] = (await searchIn(ana, id, "김밥")).data;
  expect(message).toMatchObject({
    id: 1,
    conversation_id: id,
    sender_id: ana,
    type: "user",
    seq: 1,
    reactions: [],
    highlights: [{ start: 3, end: 5 }],
  });
  const queries = { 김밥: "김밥", ガソリン: "ｶﾞｿﾘﾝ", 北京: "北京", ｑｕｉｃｋ: "QUICK", "😀": "😀", 去: "去" };
  for (const isDrained of [false, true]) {
    if (isDrained) await untilDrained(id);
    for (const [query, found] of Object.entries(queries))
      expect(lit(await searchIn(ana, id, query)), `${query}, drained: ${isDrained}`).toEqual([found]);
    expect(lit(await searchIn(ana, id, "김밥".normalize("NFD")))).toEqual(["김밥"]);
    expect(texts(await searchIn(ana, id, "북경"))).toEqual([]);
    expect(texts(await searchIn(ana, id, "を買わ"))).toEqual([]);
  }
});

test("F3 F5: pages go backwards without a hole or a repeat while others send, edit and delete", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  for (let n = 1; n <= 60; n += 1) await a.say(n % 3 === 0 ? `회의 ${n}` : `점심 ${n}`);
  const expected = Array.from({ length: 20 }, (_, index) => 60 - 3 * index);
  expect(ids(await searchIn(ana, id, "회의"))).toEqual(expected);
  let deleted = 0;
  const hits = await allPages(
    (more) => searchIn(bo, id, "회의", { limit: 5, ...more } as Record<string, number>),
    async () => {
      await b.say("회의 새로");
      // Of those that are still to come, one stops and another begins to be found.
      deleted += 3;
      await call(ana, "DELETE", `/conversations/${id}/messages/${deleted}`);
      await call(ana, "PATCH", `/conversations/${id}/messages/${deleted + 1}`, { body: { text: "회의로" } });
    },
  );
  const gone = [3, 6, 9];
  expect(hits.map((hit) => hit.id)).toEqual(
    [...expected.filter((each) => !gone.includes(each)), ...gone.map((each) => each + 1)].sort(
      (x, y) => y - x,
    ),
  );
});

test("F5: what is not drained is found, and what it replaces is not", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  for (const text of ["비밀 하나", "비밀 둘", "비밀 셋", "공개"]) await a.say(text);
  await untilDrained(id);
  await whileNothingDrains(id, async () => {
    await call(ana, "DELETE", `/conversations/${id}/messages/1`);
    await call(ana, "PATCH", `/conversations/${id}/messages/2`, { body: { text: "이제 공개" } });
    await a.say("비밀 넷");
    for (const search of [
      (q: string, more = {}) => searchIn(bo, id, q, more),
      (q: string) => searchAll(bo, q),
    ]) {
      expect(texts(await search("비밀"))).toEqual(["비밀 넷", "비밀 셋"]);
      expect(texts(await search("공개"))).toEqual(["공개", "이제 공개"]);
      expect(texts(await search("둘"))).toEqual([]);
      expect(texts(await search("넷"))).toEqual(["비밀 넷"]);
    }
    expect(ids(await searchIn(bo, id, "비밀", { limit: 1 }))).toEqual([5]);
    expect(ids(await searchIn(bo, id, "비밀", { before_id: 5, limit: 1 }))).toEqual([3]);
  });
  await a.say("그 뒤");
  await untilDrained(id);
  expect(texts(await searchIn(bo, id, "비밀"))).toEqual(["비밀 넷", "비밀 셋"]);
  const { rows } = await db.execute(sql`
    select id::int, search_text, bigrams is not null as has_bigrams from messages
    where conversation_id = ${id}::uuid and id <= 2 order by id`);
  expect(rows).toEqual([
    { id: 1, search_text: null, has_bigrams: false },
    { id: 2, search_text: "이제 공개", has_bigrams: true },
  ]);
});

test("F5 F7: a delete in a conversation that was silent for long is seen by a search of all at once", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  await a.say("지울 말");
  await a.say("고칠 말");
  await a.say("남길 말");
  await untilDrained(id);
  await db.execute(
    sql`update conversations set updated_at = now() - interval '1 day' where id = ${id}::uuid`,
  );
  await whileNothingDrains(id, async () => {
    await call(ana, "DELETE", `/conversations/${id}/messages/1`);
    await call(ana, "PATCH", `/conversations/${id}/messages/2`, { body: { text: "고친 말" } });
    expect(texts(await searchAll(bo, "지울"))).toEqual([]);
    expect(texts(await searchAll(bo, "고칠"))).toEqual([]);
    expect(texts(await searchAll(bo, " 말"))).toEqual(["남길 말", "고친 말"]);
  });
});

test("F6: nobody finds what they may not see", async () => {
  const [ana, bo, cy, eve] = [newUser(), newUser(), newUser(), newUser()];
  const { body } = await call<Conversation>(ana, "POST", "/conversations", {
    type: "group",
    participant_ids: [bo],
    history_visibility: "joining",
  });
  const id = body.data.id;
  const a = await join(ana, id);
  await a.say("열쇠 하나");
  await a.say("열쇠 둘");
  await call(ana, "POST", `/conversations/${id}/participants`, { user_ids: [cy] });
  await a.say("열쇠 셋");
  for (const isDrained of [false, true]) {
    if (isDrained) await untilDrained(id);
    for (const query of ["열쇠", "쇠"]) {
      expect(texts(await searchIn(cy, id, query))).toEqual(["열쇠 셋"]);
      expect(texts(await searchAll(cy, query))).toEqual(["열쇠 셋"]);
      expect(texts(await searchIn(cy, id, query, { before_id: 3 }))).toEqual([]);
      expect((await searchIn(cy, id, query, { limit: 1 })).has_more).toBe(false);
      expect(texts(await searchAll(bo, query))).toEqual(["열쇠 셋", "열쇠 둘", "열쇠 하나"]);
      expect(texts(await searchAll(eve, query))).toEqual([]);
    }
  }
  const path = `/conversations/${id}/messages/search?q=${encodeURIComponent("열쇠")}`;
  const missing = await call(eve, "GET", path.replace(id, crypto.randomUUID()));
  const outside = await call(eve, "GET", path);
  expect([outside.status, outside.body.error.code]).toEqual([404, "CONVERSATION_NOT_FOUND"]);
  expect({ ...outside.body.error, request_id: "" }).toEqual({ ...missing.body.error, request_id: "" });
  await call(ana, "DELETE", `/conversations/${id}/participants/${bo}`);
  expect((await call(bo, "GET", path)).status).toBe(404);
  expect(texts(await searchAll(bo, "열쇠"))).toEqual([]);
  await call(ana, "DELETE", `/conversations/${id}`);
  expect(texts(await searchAll(ana, "열쇠"))).toEqual([]);
});

test("F8: whatever is sought is sought literally", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  for (const text of ["100% a_b", "100 axb", "back\\slash", `it's "so"`, "{1,2} $1 ); drop table"])
    await a.say(text);
  await untilDrained(id);
  for (const [query, found] of [
    ["%", ["100% a_b"]],
    ["a_b", ["100% a_b"]],
    ["_", ["100% a_b"]],
    ["k\\s", ["back\\slash"]],
    ["'s \"s", [`it's "so"`]],
    ["$1 ); drop", ["{1,2} $1 ); drop table"]],
    ["  100\n", ["100 axb", "100% a_b"]],
  ] as const) {
    expect(texts(await searchIn(ana, id, query)), query).toEqual(found);
    expect(texts(await searchAll(ana, query)), query).toEqual(found);
  }
});

test("F8: a query that says nothing, is too long or cannot be stored is refused, and so is a foreign cursor", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const refused = async (path: string, field: string) => {
    const { status, body } = await call(ana, "GET", path);
    expect([path, status, body.error]).toMatchObject([path, 400, { details: [{ path: field }] }]);
  };
  const long = "가".repeat(LIMITS.searchLength + 1);
  for (const path of [`/conversations/${id}/messages/search`, "/search"]) {
    await refused(path, "q");
    for (const q of ["", " \n", "\u200d", "a\u0000b", long])
      await refused(`${path}?q=${encodeURIComponent(q)}`, "q");
    await refused(`${path}?q=ab&limit=101`, "limit");
    expect((await call(ana, "GET", `${path}?q=${encodeURIComponent(long.slice(1))}`)).status).toBe(200);
  }
  await refused(`/conversations/${id}/messages/search?q=ab&before_id=0`, "before_id");
  const cursors = ["x", btoa("[1,2,3]"), btoa(JSON.stringify(["2026-01-01T00:00:00.000Z", "x", 1]))];
  for (const cursor of cursors) await refused(`/search?q=ab&cursor=${cursor}`, "cursor");
});

test("F4: one character is found page by page, however rare, and so is what was stored before there was a search", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  await storeOld(id, bo, 10_000, "오래된 글 #");
  await db.execute(
    sql`update messages set body = '{"text": "옛 魚 이야기"}' where conversation_id = ${id}::uuid and id in (3, 9000)`,
  );
  await backfill();
  const first = await searchIn(ana, id, "魚");
  expect([ids(first), first.has_more]).toEqual([[9_000], true]);
  const hits = await allPages((more) => searchIn(ana, id, "魚", more as Record<string, number>));
  expect(hits.map((hit) => hit.id)).toEqual([9_000, 3]);
  expect((await allPages((more) => searchAll(ana, "魚", more))).map((hit) => hit.id)).toEqual([9_000, 3]);
  expect((await searchIn(ana, id, "오래", { limit: 3 })).data.map((hit) => hit.id)).toEqual([
    10_000, 9_999, 9_998,
  ]);
  const seven = await searchIn(ana, id, "글 7777");
  expect([ids(seven), seven.has_more]).toEqual([[7_777], false]);
});

test("F7: a search of all conversations pages by time over all of them, and wakes none that nobody has loaded", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const conversations = await storeConversations(70, ana, bo);
  for (const id of conversations) await storeOld(id, bo, 3, "만남 #");
  const [live, busy] = [conversations[10], conversations[20]] as [string, string];
  await db.execute(sql`delete from messages where conversation_id = ${busy}::uuid`);
  await storeOld(busy, bo, 300, "만남 #");
  await backfill();
  const socket: TestSocket = await join(bo, live);
  await socket.say("만남 4");
  const { rows } = await db.execute<{ key: string }>(sql`
    select conversation_id || '/' || id as key from messages where conversation_id in (
      select conversation_id from participants where user_id = ${ana})
    order by created_at desc, conversation_id desc, id desc`);
  const stored = rows.map(({ key }) => key);
  const newest = `${live}/4`;
  const all = [newest, ...stored.filter((key) => key !== newest)];
  expect(all).toHaveLength(69 * 3 + 1 + 300);
  for (const query of ["만남", "남"]) {
    const hits = await allPages(
      (more) => searchAll(ana, query, { limit: 40, ...more }),
      () => send(bo, live, "만남 새로"),
    );
    expect(hits.map(keyOf), query).toEqual(
      hits.map(keyOf).filter((key, index, keys) => keys.indexOf(key) === index),
    );
    const old = new Set(all);
    // Of what was sent meanwhile, the second search finds what the first one had sent.
    expect(
      hits.map(keyOf).filter((key) => old.has(key)),
      query,
    ).toEqual(all);
  }
  const other = await newConversation(ana);
  expect((await searchAll(ana, "없는 말")).data).toEqual([]);
  const { rows: activated } = await db.execute(
    sql`select id from conversations where id = any(${`{${[...conversations.slice(0, 5), other].join(",")}}`}::uuid[]) and activated_at is not null`,
  );
  expect(activated).toEqual([]);
  expect((await inspect(live)).head).toBeGreaterThan(4);
});

test("F5: more hits than an object tells of at once are found page by page, drained or not", async () => {
  const users = Array.from({ length: 4 }, newUser) as [string, ...string[]];
  const [ana] = users;
  const id = await newConversation(...users);
  const sockets = await Promise.all(users.map((user) => join(user, id)));
  await sockets[0]?.say("처음 소식");
  await untilDrained(id);
  const searchDown = () =>
    allPages((more) => searchIn(ana, id, "소식", { limit: 50, ...more } as Record<string, number>));
  const all = Array.from({ length: 121 }, (_, index) => 121 - index);
  await whileNothingDrains(id, async () => {
    for (let n = 0; n < 30; n += 1)
      await Promise.all(sockets.map((socket, index) => socket.say(`소식 ${index} ${n}`)));
    expect(ids(await searchIn(ana, id, "소식", { limit: 100 }))).toEqual(all.slice(0, 100));
    expect(ids(await searchIn(ana, id, "소식", { limit: 30, before_id: 80 }))).toEqual(
      all.filter((each) => each < 80).slice(0, 30),
    );
    expect(ids(await searchIn(ana, id, "소식", { before_id: 20 }))).toEqual(all.filter((each) => each < 20));
  });
  await sockets[0]?.say("그 뒤");
  await untilDrained(id);
  expect((await searchDown()).map((hit) => hit.id)).toEqual(all);
});
