import { expect, test } from "vitest";
import { call, inspect, join, newConversation, newUser, open } from "./harness.ts";

const send = (body: unknown, more: object = {}) => ({
  type: "message.send",
  temp_id: crypto.randomUUID(),
  body,
  ...more,
});

const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

test.each<[string, unknown, string]>([
  ["an unknown type", { type: "message.explode" }, "type"],
  ["no type", { temp_id: "x" }, "type"],
  ["a number", 7, ""],
  ["null", null, ""],
  ["a string", JSON.stringify("hello"), ""],
  ["a nested array", [[send({ text: "x" })]], ""],
  ["no temp_id", { type: "message.send", body: { text: "x" } }, "temp_id"],
  ["a long temp_id", send({ text: "x" }, { temp_id: "x".repeat(65) }), "temp_id"],
  ["an empty temp_id", send({ text: "x" }, { temp_id: "" }), "temp_id"],
  ["a text that is no string", send({ text: 5 }), "body.text"],
  ["a blank text", send({ text: " \n " }), "body.text"],
  ["a long text", send({ text: "가".repeat(10_001) }), "body.text"],
  ["an empty body", send({}), "body"],
  ["an unknown key in the body", send({ text: "x", html: "<b>" }), "body"],
  ["a forged attachment", send({ text: "x", attachments: [{ id: "1" }] }), "body"],
  ["an unknown key", send({ text: "x" }, { sender_id: "somebody" }), ""],
  ["large data", send({ data: "x".repeat(16_385) }), "body.data"],
  ["deep data", send({ data: deep(40) }), "body.data"],
  [
    "bottomless data",
    `{"type":"message.send","temp_id":"d","body":{"data":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`,
    "body.data",
  ],
  ["a NUL", send({ text: "a\u0000b" }), "body.text"],
  ["a NUL in a key", send({ data: { "a\u0000": 1 } }), "body.data"],
  ["a lone surrogate", '{"type":"message.send","temp_id":"s","body":{"text":"\\ud800"}}', "body.text"],
  [
    "a lone surrogate as temp_id",
    '{"type":"message.send","temp_id":"\\udc00","body":{"text":"x"}}',
    "temp_id",
  ],
  [
    "__proto__",
    '{"type":"message.send","temp_id":"p","body":{"text":"x","data":{"__proto__":{"x":1}}}}',
    "body.data",
  ],
  [
    "__proto__ as the frame's key",
    '{"__proto__":{"type":"message.send"},"type":"message.send","temp_id":"p","body":{"text":"x"}}',
    "",
  ],
  ["an id of zero", { type: "message.edit", id: 0, body: { text: "x" } }, "id"],
  ["a fraction as id", { type: "message.delete", id: 1.5 }, "id"],
  ["an id as text", { type: "message.delete", id: "1" }, "id"],
  ["a huge id", '{"type":"message.delete","id":1e400}', "id"],
  ["a long ref", { type: "message.delete", id: 1, ref: "x".repeat(65) }, "ref"],
])("V2 V3 V4: %s is refused, the session goes on, nothing is stored", async (_, frame, path) => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  a.send(frame as never);
  const { error } = await a.next("error");
  expect(error).toMatchObject({ code: "VALIDATION_FAILED", retryable: false });
  expect(error.request_id).not.toBe("");
  expect(error.details?.map((detail) => detail.path).some((at) => at.startsWith(path))).toBe(true);
  expect((await inspect(id)).seq).toBe(0);
  await a.say("still here");
  await b.next("message.created", ({ message }) => message.id === 1);
  expect(b.liveSeqs()).toEqual([1]);
});

test("S9 S13: the good commands of a frame are carried out, the bad ones answered, in order", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  a.send([send({ text: "one" }), { type: "nonsense", ref: "r7" }, send({ text: "two" })]);
  await a.next("message.created", ({ message }) => message.id === 2);
  expect(await a.next("error")).toMatchObject({ ref: "r7", error: { code: "VALIDATION_FAILED" } });
});

test.each<[string, string | ArrayBuffer, number]>([
  ["text that is not JSON", "{nope", 4400],
  ["an empty frame", "", 4400],
  ["a binary frame", new Uint8Array([1, 2]).buffer, 4400],
  ["a frame of 101 commands", JSON.stringify(Array.from({ length: 101 }, () => 1)), 4400],
  ["a frame over 64 KiB", JSON.stringify({ type: "x", pad: "x".repeat(70_000) }), 1009],
])("V1 V4: %s closes its socket and no other", async (_, frame, code) => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  a.send(frame);
  expect(await a.untilClosed()).toMatchObject({ code });
  await b.say("undisturbed");
  expect(b.liveSeqs()).toEqual([1]);
});

test("V5: too many commands are refused with the time to wait, and the rest goes on", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  a.send(Array.from({ length: 60 }, (_, n) => send({ text: `${n}` })));
  const { error } = await a.next("error");
  expect(error).toMatchObject({ code: "RATE_LIMITED", retryable: true });
  expect(error.retry_after_ms).toBeGreaterThan(0);
  await b.say("not limited");
});

test("V5 V4: nonsense is limited like sense, and holds nobody up", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  for (let n = 0; n < 20; n += 1) a.send(Array.from({ length: 100 }, () => 1));
  await b.say("undisturbed");
  await a.next("error", ({ error }) => error.code === "RATE_LIMITED");
  expect(
    a.events.filter((event) => event.type === "error" && event.error.code === "VALIDATION_FAILED").length,
  ).toBeLessThan(100);
});

test("V5 P1: an outsider is never told of a limit, which would tell that the conversation exists", async () => {
  const [ana, eve] = [newUser(), newUser()];
  const id = await newConversation(ana);
  await (await join(ana, id)).say("private");
  const send = () =>
    call(eve, "POST", `/conversations/${id}/messages`, { temp_id: "x", body: { text: "x" } });
  const replies = await Promise.all(Array.from({ length: 60 }, send));
  expect(new Set(replies.map(({ body }) => body.error.code))).toEqual(new Set(["CONVERSATION_NOT_FOUND"]));
});

test.each([[8.64e15], [-1e15], [null], ["0000-01-01T00:00:00.000Z"], ["yesterday"]])(
  "R6: a cursor with the time %s is refused",
  async (time) => {
    const cursor = encodeURIComponent(btoa(JSON.stringify([time, crypto.randomUUID()])));
    const reply = await call(newUser(), "GET", `/conversations?cursor=${cursor}`);
    expect(reply.body.error.code).toBe("VALIDATION_FAILED");
  },
);

test("S12: the 21st socket of a user is refused, another user's is not", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const sockets = await Promise.all(Array.from({ length: 20 }, () => join(ana, id)));
  expect(await (await open(ana, id)).untilClosed()).toMatchObject({ code: 4429 });
  await (await join(bo, id)).say("room for me");
  await Promise.all(sockets.map((socket) => socket.next("message.created")));
});

test.each<[string, string, string, unknown, string]>([
  ["malformed JSON", "POST", "/conversations", "{nope", "VALIDATION_FAILED"],
  ["an array", "POST", "/conversations", [], "VALIDATION_FAILED"],
  [
    "an unknown type",
    "POST",
    "/conversations",
    { type: "channel", participant_ids: [] },
    "VALIDATION_FAILED",
  ],
  [
    "a title of 201 characters",
    "POST",
    "/conversations",
    { type: "group", title: "x".repeat(201), participant_ids: [] },
    "VALIDATION_FAILED",
  ],
  [
    "too many participants",
    "POST",
    "/conversations",
    { type: "group", participant_ids: Array.from({ length: 1001 }, (_, n) => `u${n}`) },
    "VALIDATION_FAILED",
  ],
  [
    "a NUL in a user id",
    "POST",
    "/conversations",
    { type: "group", participant_ids: ["a\u0000"] },
    "VALIDATION_FAILED",
  ],
  [
    "mass assignment",
    "POST",
    "/conversations",
    { type: "group", participant_ids: [], created_by: "x" },
    "VALIDATION_FAILED",
  ],
  [
    "a large body",
    "POST",
    "/conversations",
    { type: "group", title: "x".repeat(70_000), participant_ids: [] },
    "PAYLOAD_TOO_LARGE",
  ],
  ["limit=0", "GET", "/conversations?limit=0", undefined, "VALIDATION_FAILED"],
  ["limit=101", "GET", "/conversations?limit=101", undefined, "VALIDATION_FAILED"],
  ["limit=1e2", "GET", "/conversations?limit=1e2", undefined, "VALIDATION_FAILED"],
  ["limit=-1", "GET", "/conversations?limit=-1", undefined, "VALIDATION_FAILED"],
  ["an id that is no UUID", "GET", "/conversations/1%27%20or%201=1", undefined, "VALIDATION_FAILED"],
  ["an unknown route", "GET", "/nothing/here", undefined, "NOT_FOUND"],
  ["an unknown method", "PUT", "/conversations", {}, "NOT_FOUND"],
])("R2 R3 V2 V6: REST answers %s with the error object", async (_, method, path, body, code) => {
  const reply = await call(newUser(), method, path, body);
  expect(reply.body.error).toMatchObject({ code, message: expect.any(String), retryable: false });
  expect(reply.body.error.request_id).toBe(reply.headers.get("X-Request-Id"));
  expect(reply.status).toBeGreaterThanOrEqual(400);
});

test.each([
  "before_id=0",
  "before_id=x",
  "after_id=-1",
  "before_id=3&after_id=1",
  "before_id=99999999999999999999",
  "limit=1.5",
])("R6: messages?%s is refused", async (query) => {
  const ana = newUser();
  const id = await newConversation(ana);
  expect((await call(ana, "GET", `/conversations/${id}/messages?${query}`)).body.error.code).toBe(
    "VALIDATION_FAILED",
  );
});

test("V3: a message over REST is checked like one on a socket", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const nested = `{"temp_id":"d","body":{"data":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`;
  const bodies = [
    nested,
    '{"temp_id":"s","body":{"text":"\\ud800"}}',
    '{"temp_id":"p","body":{"data":{"__proto__":1}}}',
    { temp_id: "n", body: { text: "a\u0000" } },
  ];
  for (const body of bodies) {
    expect((await call(ana, "POST", `/conversations/${id}/messages`, body)).body.error.code).toBe(
      "VALIDATION_FAILED",
    );
  }
  expect((await inspect(id).catch(() => ({ seq: 0 }))).seq).toBe(0);
});

test("V2: a body that is not declared JSON is refused by name", async () => {
  const reply = await call(newUser(), "POST", "/conversations", "type=group", {
    "Content-Type": "text/plain",
  });
  expect(reply.body.error).toMatchObject({
    code: "VALIDATION_FAILED",
    message: expect.stringContaining("application/json"),
  });
});

test("M8 P1: ids of another conversation lead nowhere", async () => {
  const [ana, eve] = [newUser(), newUser()];
  const [hers, other] = [await newConversation(ana), await newConversation(eve)];
  await (await join(ana, hers)).say("private");
  const e = await join(eve, other);
  e.send([
    { type: "message.edit", id: 1, body: { text: "x" }, ref: "edit" },
    { type: "message.delete", id: 1, ref: "delete" },
    send({ text: "x" }, { reply_to_id: 1, ref: "reply" }),
  ]);
  for (const ref of ["edit", "delete", "reply"]) {
    expect((await e.next("error", (event) => event.ref === ref)).error.code).toBe("MESSAGE_NOT_FOUND");
  }
  const missing = await call(eve, "GET", `/conversations/${crypto.randomUUID()}/messages`);
  const foreign = await call(eve, "GET", `/conversations/${hers}/messages`);
  expect({ ...foreign.body.error, request_id: "" }).toEqual({ ...missing.body.error, request_id: "" });
  expect(foreign.status).toBe(404);
});
