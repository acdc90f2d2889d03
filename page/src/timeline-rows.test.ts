import { expect, test } from "vitest";
import type { PendingMessage } from "../../client/index.ts";
import type { Message } from "../../protocol/entities.ts";
import { toRows } from "./timeline-rows.ts";

const at = (day: number, minute: number): string => new Date(2026, 10, day, 12, minute).toISOString();

const message = (id: number, senderId: string, created_at: string, more: Partial<Message> = {}): Message => ({
  id,
  conversation_id: "c",
  sender_id: senderId,
  temp_id: `temp-${id}`,
  type: "user",
  body: { text: `${id}` },
  reply_to_id: null,
  reactions: [],
  created_at,
  edited_at: null,
  deleted_at: null,
  seq: id,
  ...more,
});

const pending = (tempId: string, created_at: string): PendingMessage => ({
  temp_id: tempId,
  body: { text: tempId },
  created_at,
  status: "queued",
  reply_to_id: null,
});

const shape = (rows: ReturnType<typeof toRows>): string[] =>
  rows.flatMap((row) => {
    const lines = [...(row.day ? ["day"] : []), ...(row.isNew ? ["new"] : [])];
    if (row.kind === "system") return [...lines, row.kind];
    return [...lines, `${row.kind}${row.isFirst ? " first" : ""}${row.isLast ? " last" : ""}`];
  });

test("messages of one sender close in time form a run", () => {
  const messages = [message(1, "a", at(1, 0)), message(2, "a", at(1, 1)), message(3, "b", at(1, 2))];
  expect(shape(toRows(messages, [], "a"))).toEqual([
    "day",
    "message first",
    "message last",
    "message first last",
  ]);
});

test("a pause, another day and a system message end a run", () => {
  const messages = [
    message(1, "a", at(1, 0)),
    message(2, "a", at(1, 30)),
    message(3, "a", at(2, 30)),
    message(4, "a", at(2, 31), { type: "system" }),
    message(5, "a", at(2, 31)),
  ];
  expect(shape(toRows(messages, [], "a"))).toEqual([
    "day",
    "message first last",
    "message first last",
    "day",
    "message first last",
    "system",
    "message first last",
  ]);
});

test("a message has the key that it had while pending", () => {
  const [, waiting] = toRows([], [pending("x", at(1, 0))], "a");
  const [, sent] = toRows([message(7, "a", at(1, 0), { temp_id: "x" })], [], "a");
  expect(sent?.key).toBe(waiting?.key);
});

test("two senders may use the same temp_id", () => {
  const messages = [message(1, "a", at(1, 0), { temp_id: "x" }), message(2, "b", at(1, 0), { temp_id: "x" })];
  const keys = toRows(messages, [pending("x2", at(1, 1))], "a").map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
});

test("what was new when the conversation was opened begins under a line, and a run of its own", () => {
  const messages = [message(1, "a", at(1, 0)), message(2, "a", at(1, 1)), message(3, "a", at(1, 2))];
  expect(shape(toRows(messages, [], "b", 2))).toEqual([
    "day",
    "message first last",
    "new",
    "message first",
    "message last",
  ]);
});

test("a message that did not change costs nothing again", () => {
  const messages = [message(1, "a", at(1, 0)), message(2, "b", at(1, 1))];
  const [first] = toRows(messages, [], "a");
  const [again] = toRows([...messages, message(3, "b", at(1, 2))], [], "a");
  expect(again).toEqual(first);
});
