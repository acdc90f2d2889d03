import { expect, test } from "vitest";
import { refuse } from "../protocol/errors.ts";
import {
  closeQuietly,
  encodeFrames,
  heldBack,
  holdFor,
  roundOf,
  type SessionAttachment,
  Sessions,
} from "./sessions.ts";

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
  attachment: unknown;
  serializeAttachment(attachment: SessionAttachment): void {
    this.attachment = attachment;
  }
}

const attached = (userId: string, expiresAt: number | null = null): SessionAttachment => ({
  userId,
  clientId: null,
  expiresAt,
  connectedAt: 0,
  jti: null,
  issuedAtMs: null,
  address: null,
});

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
  sessions.add(open, attached("a"));
  sessions.add(ended, attached("b", 1_000));
  sessions.broadcast([event(1)], 1_000);
  expect(open.sent).toHaveLength(1);
  expect(ended.sent).toEqual([]);
  expect(ended.closed).toEqual([4401, "expired"]);
});

test("a socket that breaks while others are told is dropped alone", () => {
  const sessions = new Sessions<FakeSocket>();
  const sockets = [new FakeSocket(), new FakeSocket(), new FakeSocket()];
  for (const socket of sockets) sessions.add(socket, attached("a"));
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

test("S15: what follows a command that was refused for now waits for it, but not for ever", () => {
  const { error } = refuse("RATE_LIMITED", "later");
  const session = { hold: null };
  holdFor(session, { key: "b", number: 2 }, error, 0);
  // Sent before it, and still on its way.
  expect(heldBack(session, { key: "a", number: 1 }, 1)).toBeNull();
  expect(heldBack(session, { key: "c", number: 3 }, 1)).toBe(error);
  holdFor(session, { key: "c", number: 3 }, error, 1);
  expect(heldBack(session, { key: "d", number: 4 }, 59_999)).toBe(error);
  expect(heldBack(session, { key: "b", number: 5 }, 59_999)).toBeNull();
  expect(heldBack(session, { key: "c", number: 6 }, 59_999)).toBeNull();

  holdFor(session, { key: "e", number: 7 }, error, 0);
  for (let number = 8; number < 28; number += 1)
    expect(heldBack(session, { key: "f", number }, 60_000)).toBe(error);
  expect(heldBack(session, { key: "f", number: 28 }, 59_999)).toBe(error);
  expect(heldBack(session, { key: "f", number: 29 }, 60_000)).toBeNull();
});

test("S15: of two refused commands the earlier one is waited for", () => {
  const { error } = refuse("MESSAGE_SEND_FAILED", "later");
  const session = { hold: null };
  holdFor(session, { key: "b", number: 2 }, error, 0);
  holdFor(session, { key: "a", number: 1 }, error, 0);
  expect(heldBack(session, { key: "b", number: 3 }, 1)).toBe(error);
  expect(heldBack(session, { key: "a", number: 4 }, 1)).toBeNull();
});

test("S18: a session is warned in the last round but one before its credential ends, once", () => {
  const sessions = new Sessions<FakeSocket>();
  const socket = new FakeSocket();
  const session = sessions.add(socket, attached("a", 600_500));
  expect(roundOf(session)).toBe(540_000);
  sessions.warnExpiring(539_999);
  expect(socket.sent).toEqual([]);
  sessions.warnExpiring(540_000);
  sessions.warnExpiring(541_000);
  expect(socket.sent.map((text) => JSON.parse(text))).toEqual([
    { type: "auth.expiring", expires_at: new Date(600_500).toISOString() },
  ]);
  expect(roundOf(session)).toBe(660_000);
  sessions.refresh(session, { expiresAt: 4_000_000, jti: "new", issuedAtMs: 600_000 });
  expect(roundOf(session)).toBe(3_900_000);
  expect(socket.attachment).toEqual({ ...attached("a", 4_000_000), jti: "new", issuedAtMs: 600_000 });
});
