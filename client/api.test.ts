import { expect, it } from "vitest";
import { ChatApi } from "./api.ts";
import { ChatClient } from "./chat-client.ts";
import { CONVERSATION_ID } from "./fake-server.ts";

function api(answer: () => Response | Promise<Response>) {
  const calls: Request[] = [];
  const chat = new ChatClient({
    url: "wss://chat.example/base/",
    token: () => "secret",
    fetch: async (input, init) => {
      calls.push(new Request(input, init));
      return answer();
    },
  });
  return { api: new ChatApi(chat), calls };
}

it("asks with the token and gives back data, or the page of a list", async () => {
  const one = api(() => Response.json({ data: { id: "c" } }, { status: 201 }));
  const created = await one.api.createConversation({ type: "direct", participant_ids: ["bo"] });
  expect(created).toEqual({ id: "c" });
  expect(one.calls[0]?.url).toBe("https://chat.example/base/api/conversations");
  expect(one.calls[0]?.headers.get("authorization")).toBe("Bearer secret");
  expect(one.calls[0]?.headers.has("idempotency-key")).toBe(false);
  await one.api.createConversation({ type: "group", participant_ids: ["bo"] }, { idempotencyKey: "k" });
  expect(one.calls[1]?.headers.get("idempotency-key")).toBe("k");
  await one.api.changeRole("c", "a/b", "admin");
  expect(one.calls[2]).toMatchObject({ method: "PATCH" });
  expect(one.calls[2]?.url).toContain("/conversations/c/participants/a%2Fb");
  const list = api(() => Response.json({ data: [], has_more: true, next_cursor: "n" }));
  expect(await list.api.listConversations({ limit: 5, cursor: "a b" })).toMatchObject({ next_cursor: "n" });
  expect(list.calls[0]?.url).toBe("https://chat.example/base/api/conversations?limit=5&cursor=a+b");
});

it("takes an empty reply", async () => {
  const { api: rest, calls } = api(() => new Response(null, { status: 204 }));
  await expect(rest.removeParticipant(CONVERSATION_ID, "a/b")).resolves.toBeUndefined();
  expect(calls[0]?.url).toContain("/participants/a%2Fb");
});

it("rejects with the service's error", async () => {
  const error = {
    code: "RATE_LIMITED",
    message: "Slow.",
    retryable: true,
    retry_after_ms: 9,
    request_id: "r",
  };
  const { api: rest } = api(() => Response.json({ error }, { status: 429 }));
  await expect(rest.getConversation("c")).rejects.toMatchObject({ ...error, name: "ChatError", status: 429 });
});

it("rejects with an error of its own when something else answers, or nothing", async () => {
  const proxy = api(() => new Response("<html>", { status: 502 }));
  await expect(proxy.api.getConversation("c")).rejects.toMatchObject({
    code: "SERVICE_UNAVAILABLE",
    retryable: true,
    status: 502,
  });
  const page = api(() => new Response("<html>"));
  await expect(page.api.getConversation("c")).rejects.toMatchObject({ code: "INTERNAL_ERROR" });
  const nothing = api(() => Promise.reject(new TypeError("fetch failed")));
  await expect(nothing.api.getConversation("c")).rejects.toMatchObject({
    code: "NETWORK_ERROR",
    retryable: true,
    status: null,
  });
});
