import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { Message } from "../../protocol/entities.ts";
import { BareService } from "../stack/bare-service.ts";
import type { AsyncStorage } from "./async-storage.ts";

type App = typeof import("./react-native.ts");

let service: BareService;
let bundle: string;

beforeAll(async () => {
  service = await BareService.create();
  await service.start();
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "react-native.ts")],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "app",
    platform: "neutral",
    mainFields: ["react-native", "module", "main"],
    conditions: ["react-native"],
    // What Hermes runs; Metro's own preset lowers the rest in the same way.
    target: "es2020",
  });
  bundle = outputFiles[0]?.text ?? "";
});

afterAll(async () => {
  await service?.stop();
});

/** Keeps strings, as the phone's disk does, whatever becomes of the app. */
function newDisk(): AsyncStorage {
  const values = new Map<string, string>();
  return {
    getAllKeys: async () => [...values.keys()],
    getItem: async (key) => values.get(key) ?? null,
    setItem: async (key, value) => void values.set(key, value),
    removeItem: async (key) => void values.delete(key),
    multiGet: async (keys) => keys.map((key) => [key, values.get(key) ?? null] as const),
    multiSet: async (pairs) => {
      for (const [key, value] of pairs) values.set(key, value);
    },
    multiRemove: async (keys) => {
      for (const key of keys) values.delete(key);
    },
  };
}

/**
 * An engine with what React Native has (https://reactnative.dev/docs/javascript-environment) and with what docs/client.md
 * tells an app to add; nothing of a browser, and nothing of Node.
 */
function startApp(): { app: App; kill: () => void } {
  const sockets = new Set<WebSocket>();
  let isKilled = false;
  class PhoneWebSocket extends WebSocket {
    constructor(url: string, protocols?: string[]) {
      super(url, protocols);
      sockets.add(this);
    }
  }
  const environment = {
    WebSocket: PhoneWebSocket,
    fetch,
    AbortController,
    Headers,
    TextEncoder,
    atob,
    console,
    queueMicrotask,
    clearTimeout,
    setTimeout: (callback: () => void, delayMs: number) =>
      setTimeout(() => {
        if (!isKilled) callback();
      }, delayMs),
    navigator: { product: "ReactNative" },
    // Added by the app.
    URL,
    URLSearchParams,
    Event,
    EventTarget,
    MessageEvent,
    crypto: { getRandomValues: (array: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(array) },
  };
  const context = createContext(environment);
  // Hermes has none of these.
  runInContext(
    "delete Promise.withResolvers; delete Array.prototype.toSorted; delete Array.fromAsync;",
    context,
  );
  runInContext(bundle, context);
  const app = runInContext("app", context) as App;
  const kill = () => {
    isKilled = true;
    for (const socket of sockets) socket.terminate();
  };
  return { app, kill };
}

test("the storage over AsyncStorage keeps what every storage must", async () => {
  const { app } = startApp();
  for (const { name, check } of app.STORAGE_CASES) {
    const disk = newDisk();
    await expect(
      check(() => app.asyncStorage(disk)),
      name,
    ).resolves.toBeUndefined();
  }
});

test("a write is whole, even if the app dies in the middle of it", async () => {
  const { app } = startApp();
  const disk = newDisk();
  const dying: AsyncStorage = { ...disk, multiRemove: () => new Promise(() => undefined) };
  await app.asyncStorage(disk).write([["old", 1]]);
  void app.asyncStorage(dying).write([
    ["new", 2],
    ["old", undefined],
  ]);
  await expect.poll(() => disk.getItem("arcyou-chat new")).toBe("2");
  expect(await app.asyncStorage(disk).list("")).toEqual([["new", 2]]);
});

test("C7: an app that is killed after its message was queued sends it when it is started again", async () => {
  const user = randomUUID();
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(`${service.url}/api/${path}`, {
      method,
      headers: { authorization: `Bearer ${user}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return ((await response.json()) as { data: T }).data;
  };
  const { id } = await call<{ id: string }>("POST", "conversations", {
    type: "group",
    participant_ids: [randomUUID()],
  });
  const disk = newDisk();
  const options = { url: service.url, token: () => user, userId: user };
  const texts = async () =>
    (await call<Message[]>("GET", `conversations/${id}/messages`)).map(({ body }) => body?.text);

  const first = startApp();
  const chat = new first.app.ChatClient({ ...options, storage: first.app.asyncStorage(disk) });
  // Never connected: on the way to the office, without a network.
  const sending = chat.joinConversation(id).send({ text: "from the tunnel" });
  expect(await sending.queued).toBe(true);
  first.kill();
  expect(await texts()).toEqual([]);

  const second = startApp();
  let wakes: (() => void) | null = null;
  const again = new second.app.ChatClient({
    ...options,
    storage: second.app.asyncStorage(disk),
    // As with AppState.
    watchNetwork: ({ woke }) => {
      wakes = woke;
      return () => {
        wakes = null;
      };
    },
  });
  again.connect();
  await expect.poll(texts, { timeout: 60_000 }).toEqual(["from the tunnel"]);
  expect(wakes).not.toBeNull();
  const conversation = again.joinConversation(id);
  await expect.poll(() => conversation.state.messages.length, { timeout: 60_000 }).toBe(1);
  expect(conversation.state.pending).toEqual([]);
  again.disconnect();
  expect(wakes).toBeNull();
  expect(await texts()).toEqual(["from the tunnel"]);
  second.kill();
});
