import { expect, it } from "vitest";
import { ChatError } from "./errors.ts";
import { makeMessage } from "./fake-server.ts";
import * as outboxes from "./outbox.ts";

const limits = { nowMs: 1_000, room: 20, maxInFlight: 20, frameBytes: 64 * 1024 };
const queue = (outbox: outboxes.Outbox, key: string, command: outboxes.OutboxCommand) =>
  saveAll(outboxes.enqueue(outbox, key, command, 0));
const saveAll = (outbox: outboxes.Outbox) => outboxes.saved(outbox, outbox, false);
const send = (outbox: outboxes.Outbox, key: string, text = key) =>
  queue(outbox, key, { type: "message.send", temp_id: key, body: { text } });
const edit = (outbox: outboxes.Outbox, key: string, text: string) =>
  queue(outbox, key, { type: "message.edit", id: 5, body: { text }, ref: key });
const retryable = new ChatError("RATE_LIMITED", "slow", { retryable: true });
const final = new ChatError("VALIDATION_FAILED", "bad", { retryable: false });
const statuses = (outbox: outboxes.Outbox) => outbox.map(({ key, status }) => `${key} ${status}`);

it("takes commands in order as one frame, and one alone as an object", () => {
  const one = outboxes.take(send([], "a"), limits);
  expect(JSON.parse(one.frame ?? "")).toMatchObject({ temp_id: "a" });
  const two = outboxes.take(send(send(one.outbox, "b"), "c"), limits);
  expect(JSON.parse(two.frame ?? "")).toMatchObject([{ temp_id: "b" }, { temp_id: "c" }]);
  expect(two.count).toBe(2);
  expect(outboxes.take(two.outbox, limits).frame).toBeNull();
});

it("never takes more than a frame holds, has room for, or may be in flight", () => {
  const text = "ü".repeat(12_000);
  const outbox = ["a", "b", "c"].reduce((queue, key) => send(queue, key, text), [] as outboxes.Outbox);
  const taken = outboxes.take(outbox, limits);
  expect(taken.count).toBe(2);
  expect(new TextEncoder().encode(taken.frame ?? "").length).toBeLessThanOrEqual(limits.frameBytes);
  expect(outboxes.take(outbox, { ...limits, room: 0.9 }).frame).toBeNull();
  expect(outboxes.take(taken.outbox, { ...limits, maxInFlight: 2 }).frame).toBeNull();
});

it("waits for no moment that a clock set back has put far away", () => {
  const sent = outboxes.take(send([], "a"), limits).outbox;
  const waiting = outboxes.refused(sent, "a", retryable, 3_600_000);
  expect(outboxes.take(waiting, limits).count).toBe(1);
});

it("repeats a refused command only when everything behind it has been answered, so that nothing is overtaken", () => {
  const sent = outboxes.take(send(send([], "a"), "b"), limits).outbox;
  const refused = outboxes.refused(sent, "a", retryable, 1_000);
  expect(outboxes.take(send(refused, "c"), limits).frame).toBeNull();
  const both = outboxes.refused(refused, "b", retryable, 1_000);
  expect(JSON.parse(outboxes.take(both, limits).frame ?? "")).toMatchObject([
    { temp_id: "a" },
    { temp_id: "b" },
  ]);
});

it("holds back what is behind a command that waits for its retry", () => {
  const sent = outboxes.take(send([], "a"), limits).outbox;
  const waiting = send(outboxes.refused(sent, "a", retryable, 1_500), "b");
  expect(outboxes.take(waiting, limits)).toMatchObject({ frame: null, wake_at: 1_500 });
  expect(outboxes.take(waiting, { ...limits, nowMs: 1_500 }).count).toBe(2);
});

it("settles a send by sender and temp_id, a delete by id", () => {
  const outbox = send(send([], "a"), "b");
  const messages = [
    makeMessage(1, { temp_id: "a", sender_id: "bo" }),
    makeMessage(2, { temp_id: "b", sender_id: "ann" }),
  ];
  const { outbox: rest, settled } = outboxes.settle(outbox, messages, "ann");
  expect(statuses(rest)).toEqual(["a queued"]);
  expect(settled).toEqual([{ key: "b", evidence: messages[1] }]);
  const deleting = outboxes.enqueue([], "r", { type: "message.delete", id: 5, ref: "r" }, 0);
  expect(outboxes.settle(deleting, [makeMessage(5)], "ann").settled).toEqual([]);
  expect(outboxes.settle(deleting, [makeMessage(5, { deleted_at: "x" })], "ann").settled).toHaveLength(1);
});

it("settles edits of a message in their order, by body", () => {
  const outbox = outboxes.take(edit(edit([], "r1", "one"), "r2", "two"), limits).outbox;
  const edited = (text: string) => [makeMessage(5, { edited_at: "x", body: { text } })];
  expect(outboxes.settle(outbox, edited("two"), "ann").settled).toEqual([]);
  const first = outboxes.settle(outbox, edited("one"), "ann");
  expect(first.settled[0]?.key).toBe("r1");
  expect(outboxes.settle(first.outbox, edited("two"), "ann").settled[0]?.key).toBe("r2");
  expect(outboxes.settle(edit([], "r", "one"), edited("one"), "ann").settled).toEqual([]);
});

it("keeps a failed send and moves it behind the others on retry", () => {
  const sent = outboxes.take(send([], "a"), limits).outbox;
  const failed = send(outboxes.refused(sent, "a", final, 0), "b");
  expect(statuses(failed)).toEqual(["a failed", "b queued"]);
  expect(outboxes.pendingMessages(failed)[0]).toMatchObject({ temp_id: "a", status: "failed", error: final });
  expect(statuses(outboxes.retry(failed, "a", 0))).toEqual(["b queued", "a saving"]);
  expect(outboxes.isUnsettled(outboxes.discard(failed, "b"))).toBe(false);
});

it("forgets a refused edit, and sends unanswered commands again in their place", () => {
  const sent = outboxes.take(send(edit([], "r", "x"), "a"), limits).outbox;
  expect(statuses(outboxes.refused(sent, "r", final, 0))).toEqual(["a sending"]);
  const again = outboxes.requeue(send(sent, "b"));
  expect(statuses(again)).toEqual(["r queued", "a queued", "b queued"]);
  expect(again.map(({ is_uncertain }) => is_uncertain)).toEqual([true, true, false]);
});
