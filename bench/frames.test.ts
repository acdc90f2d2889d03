import { expect, test } from "vitest";
import { FrameReader, tempIdOf } from "./frames.ts";

const event = (id: number, number: number, prefix = "p") => ({
  type: "message.created",
  seq: id,
  message: {
    id,
    conversation_id: "c",
    sender_id: "u",
    temp_id: tempIdOf(prefix, number),
    body: { text: "x" },
  },
});
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

test("one event, several in an array, and a text around one", () => {
  const reader = new FrameReader("p");
  expect(reader.read(bytes(event(7, 3)))).toMatchObject({ ids: [7], numbers: [3], isContiguous: true });
  expect(reader.read(bytes([event(8, 11), event(9, 10)]))).toMatchObject({
    ids: [8, 9],
    numbers: [11, 10],
    isContiguous: true,
  });
  expect(
    reader.read(Buffer.from(`42${JSON.stringify(["message.created", event(12, 4), "1-0"])}`)),
  ).toMatchObject({
    ids: [12],
    numbers: [4],
  });
});

test("a hole, a step back and a repetition within a frame are seen", () => {
  const reader = new FrameReader("p");
  for (const ids of [
    [1, 3],
    [2, 1],
    [2, 2],
  ])
    expect(reader.read(bytes(ids.map((id) => event(id, id))))?.isContiguous).toBe(false);
});

test("what has no message is nothing", () => {
  expect(new FrameReader("p").read(bytes({ type: "synced", seq: 3 }))).toBeNull();
});

test("the same bytes are read once; others that begin alike are not taken for them", () => {
  const reader = new FrameReader("p");
  const first = reader.read(bytes([event(1, 1), event(2, 2)]));
  expect(reader.read(bytes([event(1, 1), event(2, 2)]))).toBe(first);
  expect(reader.read(bytes([event(1, 1), event(2, 3)]))?.numbers).toEqual([1, 3]);
});

test("a message of somebody else is an error", () => {
  expect(() => new FrameReader("p").read(bytes(event(1, 1, "q")))).toThrow("temp_id");
});
