import { expect, test } from "vitest";
import { closeQuietly, encodeFrames, Sessions } from "./sessions.ts";

class FakeSocket {
  sent: string[] = [];
  closed: [number, string] | null = null;
  isBroken = false;
  send(text: string): void {
    if (this.isBroken) throw new Error("gone");
    this.sent.push(text);
  }
  close(code: number, reason: string): void {
    this.closed = [code, reason];
  }
}

const event = (seq: number, size = 0) =>
  ({ type: "conversation.deleted", seq, pad: "x".repeat(size) }) as never;

test("S9: one event stands alone, several share a frame, and no frame grows without bound", () => {
  expect(encodeFrames([])).toEqual([]);
  expect(JSON.parse(encodeFrames([event(1)])[0] ?? "")).toMatchObject({ seq: 1 });
  const frames = encodeFrames([1, 2, 3, 4].map((seq) => event(seq, 100_000)));
  expect(frames.map((frame) => [JSON.parse(frame)].flat().map(({ seq }: { seq: number }) => seq))).toEqual([
    [1, 2],
    [3, 4],
  ]);
});

test("S11: a broadcast skips and closes sessions whose credential ended", () => {
  const sessions = new Sessions<FakeSocket>();
  const [open, ended] = [new FakeSocket(), new FakeSocket()];
  sessions.add(open, { userId: "a", expiresAt: null, connectedAt: 0 });
  sessions.add(ended, { userId: "b", expiresAt: 1_000, connectedAt: 0 });
  sessions.broadcast([event(1)], 1_000);
  expect(open.sent).toHaveLength(1);
  expect(ended.sent).toEqual([]);
  expect(ended.closed).toEqual([4401, "expired"]);
});

test("a socket that breaks while others are told is dropped alone", () => {
  const sessions = new Sessions<FakeSocket>();
  const sockets = [new FakeSocket(), new FakeSocket(), new FakeSocket()];
  for (const socket of sockets) sessions.add(socket, { userId: "a", expiresAt: null, connectedAt: 0 });
  (sockets[1] as FakeSocket).isBroken = true;
  sessions.broadcast([event(1)], 0);
  expect(sockets.map(({ sent }) => sent.length)).toEqual([1, 0, 1]);
  expect(sessions.size).toBe(2);
});

test.each([
  [1000, 1000],
  [1005, 1000],
  [1006, 1000],
  [1015, 1000],
  [4403, 4403],
])("closing with %d sends %d: some codes may only be reported", (code, sent) => {
  const socket = new FakeSocket();
  closeQuietly(socket, code, "");
  expect(socket.closed?.[0]).toBe(sent);
});
