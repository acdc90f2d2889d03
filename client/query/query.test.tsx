// @vitest-environment happy-dom
// @vitest-environment-options {"settings":{"fetch":{"disableSameOriginPolicy":true}}}
import { QueryClient, QueryClientProvider, useMutation, useQuery } from "@tanstack/react-query";
import { memo } from "react";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLOSE } from "../../protocol/close-codes.ts";
import type { Message } from "../../protocol/entities.ts";
import { FakeServer, CONVERSATION_ID as ID, makeConversation, makeInboxReady } from "../fake-server.ts";
import { ChatClient } from "../index.ts";
import { FakePage, until } from "../react/fake-page.tsx";
import {
  chatKeys,
  conversationsQueryOptions,
  followConversations,
  followMessages,
  messagesQueryOptions,
  sendMessageOptions,
  unreadQueryOptions,
} from "./index.ts";

let server: FakeServer;
let page: FakePage;
let chat: ChatClient;
let queryClient: QueryClient;
/** Paths of REST calls, and what they wait for. */
let asked: string[];
let answering: Promise<void>;

beforeEach(async () => {
  server = await FakeServer.start();
  page = new FakePage();
  asked = [];
  answering = Promise.resolve();
  chat = new ChatClient({
    url: server.url,
    token: () => "ann",
    WebSocket,
    reconnect: { firstMs: 5, maxMs: 20 },
    fetch: async (input, init) => {
      asked.push(new URL(String(input)).pathname);
      const response = await fetch(input, init);
      const text = await response.text();
      await answering;
      return new Response(text, { status: response.status });
    },
  });
  queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
});
afterEach(async () => {
  await page.end();
  queryClient.clear();
  chat.disconnect();
  await server.stop();
  expect(server.violations).toEqual([]);
});

const renderedRows: string[] = [];
const Row = memo(({ message }: { message: Message }) => {
  renderedRows.push(String(message.body?.text));
  return <li>{message.body?.text}</li>;
});

function Messages() {
  const { data, error } = useQuery(messagesQueryOptions(chat, ID));
  const { mutate } = useMutation(sendMessageOptions(chat, ID));
  if (error) return <p>{error.message}</p>;
  return (
    <>
      {data?.data.map((message) => (
        <Row key={message.id} message={message} />
      ))}
      <button type="button" onClick={() => mutate({ text: "mine" })}>
        !
      </button>
    </>
  );
}

const tree = () => (
  <QueryClientProvider client={queryClient}>
    <Messages />
  </QueryClientProvider>
);

it("shows what the service answers, and then follows the conversation, one row at a time", async () => {
  for (const text of ["one", "two"]) server.write(text);
  await page.render(tree());
  await until(() => expect(page.text).toBe("onetwo!"));
  expect(asked).toHaveLength(1);
  chat.connect();
  const end = followMessages(chat, queryClient, ID);
  server.write("three");
  await until(() => expect(page.text).toBe("onetwothree!"));
  renderedRows.length = 0;
  document.querySelector("button")?.click();
  await until(() => expect(page.text).toBe("onetwothreemine!"));
  expect(renderedRows).toEqual(["mine"]);
  await queryClient.refetchQueries({ queryKey: chatKeys.all });
  expect(asked).toHaveLength(1);
  end();
  end();
  await until(() => expect(server.openSockets).toBe(0));
  expect(queryClient.getQueryState(chatKeys.messages(ID))?.isInvalidated).toBe(true);
  server.write("five");
  await queryClient.refetchQueries({ queryKey: chatKeys.all });
  await until(() => expect(page.text).toBe("onetwothreeminefive!"));
  expect(asked).toHaveLength(2);
});

it("does not take an answer that is older than what it follows", async () => {
  server.write("one");
  const { promise, resolve } = Promise.withResolvers<void>();
  answering = promise;
  const fetched = queryClient.fetchQuery(messagesQueryOptions(chat, ID));
  await until(() => expect(asked).toHaveLength(1));
  chat.connect();
  const end = followMessages(chat, queryClient, ID);
  const texts = () =>
    queryClient.getQueryData(messagesQueryOptions(chat, ID).queryKey)?.data.map(({ body }) => body?.text);
  await until(() => expect(texts()).toEqual(["one"]));
  server.write("two");
  await until(() => expect(texts()).toEqual(["one", "two"]));
  resolve();
  expect((await fetched).data).toHaveLength(2);
  expect(texts()).toEqual(["one", "two"]);
  end();
});

it("asks again while the conversation is closed, and goes on when the user is added again", async () => {
  server.refusals.push(CLOSE.removed);
  chat.connect();
  const ends = [followMessages(chat, queryClient, ID), followConversations(chat, queryClient)];
  const handle = chat.joinConversation(ID);
  await until(() => expect(handle.state.status).toBe("closed"));
  expect(queryClient.getQueryData(chatKeys.messages(ID))).toBeUndefined();
  await queryClient.fetchQuery(messagesQueryOptions(chat, ID));
  expect(asked).toHaveLength(1);
  await until(() => expect(queryClient.getQueryData(chatKeys.conversations)).toBeDefined());
  server.tellInbox({ type: "conversation.added", conversation: makeConversation() });
  await until(() => expect(handle.state.status).toBe("live"));
  await queryClient.refetchQueries({ queryKey: chatKeys.messages(ID) });
  expect(asked).toHaveLength(1);
  handle.leave();
  for (const end of ends) end();
});

it("follows the conversations and what is unread", async () => {
  const me = { role: "member" as const, last_read_id: 0, unread_count: 2, muted_until: null };
  const b = makeConversation({ id: "b", last_message_id: 2, me });
  server.inbox = makeInboxReady([b]);
  const list = () => queryClient.getQueryData(conversationsQueryOptions(chat).queryKey);
  const unread = () => queryClient.getQueryData(unreadQueryOptions(chat).queryKey);
  chat.connect();
  const end = followConversations(chat, queryClient);
  await until(() => expect(list()).toEqual({ data: [b], has_more: false }));
  const counts = { id: "b", last_read_id: 0, last_message_id: 2 };
  expect(unread()).toEqual({ total: 2, conversations: [{ ...counts, unread_count: 2 }] });
  expect((await queryClient.fetchQuery(unreadQueryOptions(chat))).total).toBe(2);
  const a = makeConversation({ id: "a", updated_at: "2026-11-23T00:00:00.000Z" });
  server.tellInbox({ type: "conversation.added", conversation: a });
  await until(() => expect(list()?.data.map(({ id }) => id)).toEqual(["a", "b"]));
  expect(asked).toEqual([]);
  end();
  await until(() => expect(server.openSockets).toBe(0));
  expect((await queryClient.fetchQuery(conversationsQueryOptions(chat))).data).toEqual([]);
  expect(asked).toEqual(["/api/conversations"]);
});
