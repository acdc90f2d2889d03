// @vitest-environment happy-dom
// @vitest-environment-options {"settings":{"fetch":{"disableSameOriginPolicy":true}}}
import { memo, StrictMode, startTransition, useState } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLOSE } from "../../protocol/close-codes.ts";
import type { Message } from "../../protocol/entities.ts";
import { FakeServer, CONVERSATION_ID as ID, makeConversation, makeInboxReady } from "../fake-server.ts";
import { ChatClient, type ChatClientOptions, type ChatStorage, type StorageSharing } from "../index.ts";
import { acting, FakePage, until } from "./fake-page.tsx";
import {
  ChatProvider,
  type ChatState,
  useChat,
  useChatActions,
  useChatApi,
  useChatClient,
  useChatSelector,
  useConversations,
  usePresence,
  useTyping,
  useUnreadCount,
  useUserId,
  useUserPresence,
  useWebSocket,
} from "./index.ts";

let server: FakeServer;
let page: FakePage;

beforeEach(async () => {
  server = await FakeServer.start();
  page = new FakePage();
});
afterEach(async () => {
  await page.end();
  await until(() => expect(server.openSockets).toBe(0));
  await server.stop();
  expect(server.violations).toEqual([]);
});

const options = (): ChatClientOptions => ({
  url: server.url,
  token: () => "ann",
  WebSocket,
  reconnect: { firstMs: 5, maxMs: 20 },
});
const makeClient = () => new ChatClient(options());

function Probe<T>({ useIt, into }: { useIt: () => T; into: T[] }) {
  into.push(useIt());
  return null;
}

/** A component, and what its hook returned at each render. */
function probe<T>(useIt: () => T) {
  const seen: T[] = [];
  const last = (): T => {
    const value = seen.at(-1);
    if (value === undefined) throw new Error("It has not rendered.");
    return value;
  };
  return { seen, last, element: <Probe useIt={useIt} into={seen} /> };
}

const renderedRows: string[] = [];
const Row = memo(({ message }: { message: Message; edit: ChatState["edit"] }) => {
  renderedRows.push(`${message.id} ${message.body?.text}`);
  return <li>{message.body?.text}</li>;
});
function List() {
  const { messages, edit } = useChat(ID);
  return messages.map((message) => <Row key={message.id} message={message} edit={edit} />);
}

function Summary() {
  const { status, messages } = useChat(ID);
  const { storage } = useWebSocket();
  const { participants } = usePresence(ID);
  const words = [status, storage.kept, useUnreadCount(), participants.length];
  return <p>{[...words, ...messages.map(({ body }) => body?.text)].join(" ")}</p>;
}

/** Each client listens to its channel with a function of its own. */
class CountingStorage implements ChatStorage {
  readonly isDurable = true;
  readonly clients = new Set<unknown>();
  readonly listening = new Set<unknown>();
  readonly sharing = {
    channel: {
      postMessage: () => undefined,
      addEventListener: (_type: string, listener: unknown) => {
        this.clients.add(listener);
        this.listening.add(listener);
      },
      removeEventListener: (_type: string, listener: unknown) => {
        this.listening.delete(listener);
      },
    },
    locks: {
      request: async (_name: string, _options: object, granted: () => unknown) => granted(),
    } as unknown as StorageSharing["locks"],
  };
  list = async () => [];
  write = async () => undefined;
}

const conversation = (id: string, unread = 0) =>
  makeConversation({
    id,
    last_message_id: unread,
    updated_at: `2026-11-22T00:00:0${id === "a" ? 1 : 2}.000Z`,
    me: { role: "member", last_read_id: 0, unread_count: unread, muted_until: null },
  });

it("connects once in StrictMode, follows while it is mounted, and leaves nothing open", async () => {
  const chat = probe(() => [useChat(ID), useChat(ID), useWebSocket()] as const);
  const tree = (
    <StrictMode>
      <ChatProvider {...options()}>{chat.element}</ChatProvider>
    </StrictMode>
  );
  await page.render(tree);
  await until(() => expect(chat.last().map(({ status }) => status)).toEqual(["live", "live", "live"]));
  expect(server.requests).toHaveLength(1);
  expect(server.inboxes).toBe(1);
  expect(server.openSockets).toBe(2);
  await page.unmount();
  await until(() => expect(server.openSockets).toBe(0));
  await page.render(tree);
  await until(() => expect(chat.last()[0].status).toBe("live"));
  expect(server.requests).toHaveLength(2);
});

it("keeps its connections when provider and components are mounted anew in one go", async () => {
  const client = makeClient();
  const chat = probe(() => [useChat(ID), useWebSocket()] as const);
  const tree = (key: number) => (
    <StrictMode>
      <ChatProvider key={key} client={client}>
        {chat.element}
      </ChatProvider>
    </StrictMode>
  );
  await page.render(tree(1));
  await until(() => expect(chat.last().map(({ status }) => status)).toEqual(["live", "live"]));
  chat.seen.length = 0;
  await page.render(tree(2));
  expect(chat.last().map(({ status }) => status)).toEqual(["live", "live"]);
  server.write("still there");
  await until(() => expect(chat.last()[0].messages).toHaveLength(1));
  expect(chat.seen.flatMap((states) => states.map(({ status }) => status))).not.toContain("connecting");
  expect(server.requests).toHaveLength(1);
  expect(server.inboxes).toBe(1);
});

it("makes one client of its options in StrictMode, and asks the last token function", async () => {
  const asked: string[] = [];
  const storage = new CountingStorage();
  const chat = probe(() => [useChatClient(), useChat(ID)] as const);
  const tree = (name: string) => (
    <StrictMode>
      <ChatProvider
        {...options()}
        userId="ann"
        storage={storage}
        token={() => {
          asked.push(name);
          return name;
        }}
      >
        {chat.element}
      </ChatProvider>
    </StrictMode>
  );
  await page.render(tree("first"));
  await until(() => expect(chat.last()[1].status).toBe("live"));
  const [client] = chat.last();
  await page.render(tree("second"));
  server.cut();
  await until(() => expect(server.requests.at(-1)?.token).toBe("second"));
  await until(() => expect(chat.last()[1].status).toBe("live"));
  expect(chat.last()[0]).toBe(client);
  expect(new Set(chat.seen.map(([each]) => each)).size).toBe(1);
  expect(storage.clients.size).toBe(1);
  expect(new Set(asked)).toEqual(new Set(["first", "second"]));
  await page.unmount();
  await until(() => expect(storage.listening.size).toBe(0));
});

it("makes another client for another user", async () => {
  const chat = probe(() => [useChatClient(), useChat(ID), useUserId()] as const);
  const tree = (userId: string) => (
    <ChatProvider {...options()} userId={userId}>
      {chat.element}
    </ChatProvider>
  );
  await page.render(tree("ann"));
  await until(() => expect(chat.last()[1].status).toBe("live"));
  const [client, , userId] = chat.last();
  expect(userId).toBe("ann");
  await page.render(tree("eve"));
  expect(chat.last()[0]).not.toBe(client);
  expect(chat.last()[1].messages).toEqual([]);
  await until(() => expect(chat.last()[1]).toMatchObject({ status: "closed", reason: "wrong_user" }));
  await until(() => expect(server.openSockets).toBe(0));
});

it("leaves the connection to the application when it is told so", async () => {
  const client = makeClient();
  const chat = probe(() => [useChat(ID), useWebSocket()] as const);
  await page.render(
    <ChatProvider client={client} autoConnect={false}>
      {chat.element}
    </ChatProvider>,
  );
  expect(chat.last().map(({ status }) => status)).toEqual(["disconnected", "disconnected"]);
  await acting(() => chat.last()[1].connect());
  await until(() => expect(chat.last().map(({ status }) => status)).toEqual(["live", "live"]));
  const inbox = client.joinInbox();
  await page.unmount();
  expect(inbox.state.status).toBe("live");
  client.disconnect();
});

it("tells how the whole client is connected, with callbacks that stay the same", async () => {
  const link = probe(useWebSocket);
  await page.render(<ChatProvider client={makeClient()}>{link.element}</ChatProvider>);
  await until(() => expect(link.last()).toMatchObject({ status: "live", reason: null }));
  expect(link.last().storage).toEqual({ kept: "memory", reason: "unavailable" });
  await acting(() => link.last().disconnect());
  expect(link.last()).toMatchObject({ status: "disconnected", reason: "left" });
  await acting(() => link.last().connect());
  await until(() => expect(link.last().status).toBe("live"));
  server.cut();
  await until(() => expect(server.inboxes).toBe(3));
  await until(() => expect(link.last().status).toBe("live"));
  expect(link.seen.map(({ reason }) => reason)).toContain("connection_lost");
  expect(new Set(link.seen.map(({ connect }) => connect)).size).toBe(1);
  expect(new Set(link.seen.map(({ disconnect }) => disconnect)).size).toBe(1);
});

it("renders the row of the message that came or changed, and no other", async () => {
  for (const text of ["one", "two", "three"]) server.write(text);
  renderedRows.length = 0;
  await page.render(
    <ChatProvider client={makeClient()}>
      <List />
    </ChatProvider>,
  );
  await until(() => expect(page.text).toBe("onetwothree"));
  expect(renderedRows.splice(0)).toEqual(["1 one", "2 two", "3 three"]);
  server.write("four");
  await until(() => expect(page.text).toBe("onetwothreefour"));
  expect(renderedRows.splice(0)).toEqual(["4 four"]);
  server.edit(2, "zwei");
  await until(() => expect(page.text).toBe("onezweithreefour"));
  expect(renderedRows.splice(0)).toEqual(["2 zwei"]);
  server.cut();
  await until(() => expect(server.requests).toHaveLength(2));
  server.write("five");
  await until(() => expect(page.text).toBe("onezweithreefourfive"));
  expect(renderedRows.splice(0)).toEqual(["5 five"]);
});

it("does everything a conversation can, with callbacks that stay the same", async () => {
  server.pageSize = 1;
  for (const text of ["one", "two"]) server.write(text);
  const chat = probe(() => useChat(ID));
  await page.render(<ChatProvider client={makeClient()}>{chat.element}</ChatProvider>);
  await until(() => expect(chat.last().status).toBe("live"));
  expect(chat.last().has_older).toBe(true);
  await chat.last().loadOlder();
  chat.last().markRead();
  await until(() => expect(server.readTo).toBe(2));
  expect((await chat.last().send({ text: "three" }, { tempId: "t" })).id).toBe(3);
  await chat.last().edit(3, { text: "drei" });
  await chat.last().addReaction(3, "👍");
  await until(() => expect(chat.last().messages[2]?.reactions).toHaveLength(1));
  await chat.last().removeReaction(3, "👍");
  await chat.last().delete(3);
  server.errors.push({ code: "VALIDATION_FAILED" }, { code: "VALIDATION_FAILED" });
  await expect(chat.last().send({ text: "four" }, { tempId: "u" })).rejects.toThrow("VALIDATION_FAILED");
  await expect(chat.last().retry("u")).rejects.toThrow("VALIDATION_FAILED");
  await until(() => expect(chat.last().pending).toMatchObject([{ temp_id: "u", status: "failed" }]));
  expect(chat.last().discard("u")).toBe(true);
  await until(() => expect(chat.last().pending).toEqual([]));
  expect(chat.last().messages.map(({ id, body }) => [id, body?.text])).toEqual([
    [1, "one"],
    [2, "two"],
    [3, undefined],
  ]);
  const stable = ["send", "edit", "delete", "loadOlder", "markRead", "setTyping", "retry"] as const;
  for (const name of stable) expect(new Set(chat.seen.map((state) => state[name])).size).toBe(1);
});

it("sends from a component that follows nothing, and stays connected until it has", async () => {
  const actions = probe(() => useChatActions(ID));
  await page.render(<ChatProvider client={makeClient()}>{actions.element}</ChatProvider>);
  expect(server.requests).toEqual([]);
  expect((await actions.last().send({ text: "one" })).id).toBe(1);
  await until(() => expect(server.openSockets).toBe(0));
  expect(actions.seen).toHaveLength(1);
});

it("sends after the component is gone, on what it was given before", async () => {
  const client = makeClient();
  const chat = probe(() => useChat(ID));
  const tree = (isShown: boolean) => <ChatProvider client={client}>{isShown && chat.element}</ChatProvider>;
  await page.render(tree(true));
  await page.render(tree(false));
  expect((await chat.last().send({ text: "late" })).id).toBe(1);
});

it("is idle without an id, and follows again with one", async () => {
  server.write("one");
  const client = makeClient();
  const chat = probe(() => {
    const [id, setId] = useState<string | null>(null);
    return { ...useChat(id), choose: (next: string | null) => startTransition(() => setId(next)) };
  });
  await page.render(
    <StrictMode>
      <ChatProvider client={client}>{chat.element}</ChatProvider>
    </StrictMode>,
  );
  expect(chat.last()).toMatchObject({ status: "disconnected", messages: [], conversation: null });
  await expect(chat.last().send({ text: "nowhere" })).rejects.toMatchObject({
    code: "CONVERSATION_NOT_FOUND",
  });
  expect(chat.last().discard("t")).toBe(false);
  await chat.last().loadOlder();
  chat.last().markRead();
  await acting(() => chat.last().choose(ID));
  await until(() => expect(chat.last().messages).toHaveLength(1));
  await acting(() => chat.last().choose(null));
  expect(chat.last().messages).toEqual([]);
  await until(() => expect(server.openSockets).toBe(0));
});

it("opens again when the user, having been removed, is added again", async () => {
  const chat = probe(() => [useChat(ID), useConversations()] as const);
  server.refusals.push(CLOSE.removed);
  await page.render(<ChatProvider client={makeClient()}>{chat.element}</ChatProvider>);
  await until(() => expect(chat.last()[0]).toMatchObject({ status: "closed", reason: "removed" }));
  await until(() => expect(chat.last()[1].status).toBe("live"));
  server.tellInbox({ type: "conversation.added", conversation: makeConversation() });
  await until(() => expect(chat.last()[0].status).toBe("live"));
  expect(server.requests).toHaveLength(2);
  await until(() => expect(server.openSockets).toBe(2));
});

it("lists conversations, and renders counts and presence only when they change", async () => {
  server.inbox = makeInboxReady([conversation("b", 2)], { has_more: true, next_cursor: "n" });
  server.older.push(conversation("a"));
  const list = probe(useConversations);
  const total = probe(() => useUnreadCount());
  const one = probe(() => useUnreadCount("b"));
  const bo = probe(() => useUserPresence("bo"));
  await page.render(
    <ChatProvider client={makeClient()}>
      {list.element}
      {total.element}
      {one.element}
      {bo.element}
    </ChatProvider>,
  );
  await until(() => expect(list.last()).toMatchObject({ status: "live", has_more: true }));
  await list.last().loadMore();
  await until(() => expect(list.last().conversations.map(({ id }) => id)).toEqual(["b", "a"]));
  expect(list.last()).toMatchObject({ has_more: false, loading_more: false, settings: { invisible: false } });
  const renders = list.seen.length;
  server.tellInbox({ type: "presence.updated", user_id: "bo", online: true, last_seen_at: null });
  await until(() => expect(bo.last().online).toBe(true));
  server.tellInbox({ type: "unread.updated", conversation_id: "b", unread_count: 2, total: 3 } as never);
  await until(() => expect(total.last()).toBe(3));
  expect(list.seen).toHaveLength(renders);
  expect(new Set(list.seen.map(({ loadMore }) => loadMore)).size).toBe(1);
  expect(total.seen).toEqual([0, 2, 3]);
  expect(one.seen).toEqual([0, 2]);
  expect(bo.seen.map(({ online }) => online)).toEqual([false, true]);
});

it("tells who of a conversation is there and types, and renders only when that changes", async () => {
  const presence = probe(() => usePresence(ID));
  const typing = probe(() => useTyping(ID));
  const title = probe(() => useChatSelector(ID, (state) => state.conversation?.id));
  await page.render(
    <ChatProvider client={makeClient()}>
      {presence.element}
      {typing.element}
      {title.element}
    </ChatProvider>,
  );
  await until(() => expect(title.last()).toBe(ID));
  const away = { user_id: "bo", online: false, last_seen_at: null };
  expect(presence.last()).toEqual({ participants: [away], onlineCount: 0 });
  const renders = presence.seen.length;
  server.write("that bo has read as well");
  server.broadcast({ type: "user.typing", conversation_id: ID, user_id: "bo", typing: true } as never);
  await until(() => expect(typing.last().userIds).toEqual(["bo"]));
  expect(presence.seen).toHaveLength(renders);
  const came = { user_id: "bo", online: true, last_seen_at: null };
  server.broadcast({ type: "presence.updated", conversation_id: ID, ...came } as never);
  await until(() => expect(presence.last()).toEqual({ participants: [came], onlineCount: 1 }));
  expect(presence.seen).toHaveLength(renders + 1);
  expect(typing.seen.map(({ userIds }) => userIds.length)).toEqual([0, 1]);
  expect(title.seen).toEqual([undefined, ID]);
  typing.last().setTyping(true);
  await until(() => expect(server.frames).toEqual([[{ type: "typing", typing: true }]]));
  await page.unmount();
  await until(() => expect(server.frames.at(-1)).toEqual([{ type: "typing", typing: false }]));
  expect(server.requests).toHaveLength(1);
});

it("calls the REST API as the client's user, through one object", async () => {
  server.older.push(conversation("a"));
  const api = probe(() => [useChatApi(), useWebSocket()] as const);
  await page.render(<ChatProvider client={makeClient()}>{api.element}</ChatProvider>);
  await until(() => expect(api.last()[1].status).toBe("live"));
  expect((await api.last()[0].listConversations()).data.map(({ id }) => id)).toEqual(["a"]);
  expect(new Set(api.seen.map(([each]) => each)).size).toBe(1);
});

it("takes over what a server rendered, and goes on from there", async () => {
  server.write("one");
  const client = makeClient();
  const tree = (
    <StrictMode>
      <ChatProvider client={client}>
        <Summary />
      </ChatProvider>
    </StrictMode>
  );
  const html = renderToString(tree);
  expect(html).toBe("<p>disconnected memory 0 0</p>");
  // Even when the client knows more by then.
  client.connect();
  const handle = client.joinConversation(ID);
  await until(() => expect(handle.state.status).toBe("live"));
  await page.hydrate(html, tree);
  await until(() => expect(page.text).toMatch(/^live memory 0 \d one$/));
  handle.leave();
});

it("says so when there is no provider", () => {
  expect(() => renderToString(<Summary />)).toThrow("There is no <ChatProvider> above this component.");
});
