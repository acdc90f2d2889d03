import { afterEach, expect, test, vi } from "vitest";
import { call, join, newConversation, newUser, open, untilDrained } from "./harness.ts";

afterEach(() => vi.restoreAllMocks());

test("logs are lines of JSON with request id, route, status and time, and hold no text, token or user", async () => {
  const lines: string[] = [];
  for (const level of ["log", "error", "warn"] as const) {
    vi.spyOn(console, level).mockImplementation((...parts: unknown[]) => {
      lines.push(parts.map(String).join(" "));
    });
  }
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const socket = await join(ana, id);
  await socket.say("a very private sentence");
  socket.send({ type: "message.send", temp_id: "x", body: { text: 5, secret: "another private thing" } });
  await socket.next("error");
  socket.send("{not json, and private");
  await socket.untilClosed();
  await call(ana, "POST", `/conversations/${id}/messages`, {
    temp_id: "y",
    body: { text: "private over REST" },
  });
  await call(ana, "POST", "/conversations", '{"private": broken');
  await call("not-a-token-but-secret", "GET", "/conversations");
  await (await open("another-secret-token", id)).untilClosed();
  await untilDrained(id);

  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) expect(line).not.toContain("\n");
  const requests = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === "request");
  expect(requests).toContainEqual({
    event: "request",
    request_id: expect.any(String),
    method: "POST",
    route: "/api/conversations/:id/messages",
    status: 201,
    ms: expect.any(Number),
  });
  const all = lines.join("\n");
  for (const hidden of ["private", "secret", ana, bo, "postgresql://"]) expect(all).not.toContain(hidden);
});
