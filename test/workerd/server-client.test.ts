import { expect, expectTypeOf, test } from "vitest";
import { ChatError } from "../../client/errors.ts";
import { createServerClient } from "../../client/server.ts";
import type { Conversation, Message } from "../../protocol/entities.ts";
import { SERVICE_KEYS } from "../setup/session-secrets.ts";
import { newUser, worker } from "./harness.ts";

const clientOf = (onBehalfOf: string) =>
  createServerClient({
    url: "https://chat.example.com",
    credential: SERVICE_KEYS.all,
    onBehalfOf,
    fetch: (input, init) => worker.fetch(input as string, init as never) as never,
  });

test("O6: a back end calls the service with its types", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const chat = clientOf(ana);
  const created = await chat.api.conversations.$post({
    header: { "idempotency-key": "order-17" },
    json: { type: "group", title: "Order 17", participant_ids: [bo] },
  });
  // The type checker refuses these if a reply has another type, `any` included.
  const { data: conversation } = await created.json();
  const { last_message: last, ...rest } = conversation;
  expectTypeOf(rest).toEqualTypeOf<Omit<Conversation, "last_message">>();
  expect(last).toBeNull();
  expect(conversation).toMatchObject({ created_by: ana, participant_count: 2 });
  const param = { id: conversation.id };
  const sent = await chat.api.conversations[":id"].messages.$post({
    param,
    json: { temp_id: "t", type: "system", body: { text: "Shipped." } },
  });
  const { data: message } = await sent.json();
  const { body, ...around } = message;
  expectTypeOf(around).toEqualTypeOf<Omit<Message, "body">>();
  expectTypeOf(body?.text).toEqualTypeOf<string | undefined>();
  expect(message).toEqual(expect.objectContaining({ id: 1, type: "system", sender_id: ana }));
  const page = await chat.api.conversations[":id"].messages.$get({ param, query: { limit: "10" } });
  const ids = (await page.json()).data.map(({ id }) => id);
  expectTypeOf(ids).toEqualTypeOf<number[]>();
  expect(ids).toEqual([1]);
  const unread = await chat.api.conversations["unread-count"].$get();
  const { total } = (await unread.json()).data;
  expectTypeOf(total).toEqualTypeOf<number>();
  expect(total).toBe(0);
  const json = { type: "group", participant_ids: [], owner: bo } as const;
  // @ts-expect-error there is no such field
  const wrong = chat.api.conversations.$post({ header: {}, json: { ...json, owner: bo } });
  await expect(wrong).rejects.toMatchObject({ code: "VALIDATION_FAILED", status: 400 });
});

test("O6: what the service refuses is thrown with its code", async () => {
  const chat = clientOf(newUser());
  const missing = chat.api.conversations[":id"].$get({ param: { id: crypto.randomUUID() } });
  await expect(missing).rejects.toBeInstanceOf(ChatError);
  await expect(missing).rejects.toMatchObject({
    code: "CONVERSATION_NOT_FOUND",
    status: 404,
    retryable: false,
  });
  const away = createServerClient({
    url: "https://chat.example.com",
    credential: "x",
    fetch: () => Promise.reject(new TypeError("refused")),
  });
  await expect(away.api.conversations.$get({ query: {} })).rejects.toMatchObject({ code: "NETWORK_ERROR" });
});
