import { expect, test } from "vitest";
import { makeMessage, makeParticipant } from "../../client/fake-server.ts";
import { receiptOf } from "./receipts.ts";

const mine = (id: number) => makeMessage(id, { sender_id: "ann" });
const reader = (userId: string, last_read_id: number) => makeParticipant(userId, { last_read_id });

test("the receipt stands under the newest own message that anybody has read", () => {
  const messages = [mine(1), makeMessage(2), mine(3), mine(4)];
  const participants = [reader("ann", 4), reader("bo", 3), reader("cy", 2)];
  expect(receiptOf(messages, participants, "ann")).toEqual({ messageId: 3, readerIds: ["bo"] });
  expect(receiptOf(messages, [reader("bo", 4), reader("cy", 9)], "ann")).toEqual({
    messageId: 4,
    readerIds: ["bo", "cy"],
  });
});

test("there is none without a reader, and none under what is deleted or told by the service", () => {
  expect(receiptOf([mine(1)], [reader("ann", 1), reader("bo", 0)], "ann")).toBeNull();
  expect(receiptOf([makeMessage(1)], [reader("bo", 1)], "ann")).toBeNull();
  const gone = makeMessage(2, { sender_id: "ann", body: null, deleted_at: "2026-11-22T00:00:00.000Z" });
  const told = makeMessage(3, { sender_id: "ann", type: "system" });
  expect(receiptOf([mine(1), gone, told], [reader("bo", 3)], "ann")?.messageId).toBe(1);
});
