import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { ChatApi, ChatClient } from "../../client/index.ts";
import { type RunningWorkerd, startWorkerd } from "../../dev/workerd.ts";
import { BareService } from "../stack/bare-service.ts";
import type { Order, Outcome } from "./in-workers.ts";

let service: BareService;
let worker: RunningWorkerd;
let home: string;

beforeAll(async () => {
  service = await BareService.create();
  await service.start();
  home = await mkdtemp(join(tmpdir(), "arcyou-worker-"));
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "in-workers.ts")],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    // As wrangler resolves packages.
    conditions: ["workerd", "worker", "browser"],
  });
  worker = await startWorkerd({
    home,
    modules: { "worker.js": outputFiles[0]?.text ?? "" },
    objects: {},
    variables: {},
  });
});

afterAll(async () => {
  await worker?.kill();
  await service?.stop();
  if (home) await rm(home, { recursive: true, force: true });
});

test("a client in a Worker sends and hears, and says that it keeps nothing", async () => {
  const [bot, ana] = [randomUUID(), randomUUID()];
  const chat = new ChatClient({ url: service.url, token: () => ana, userId: ana, WebSocket });
  chat.connect();
  const api = new ChatApi(chat);
  const { id } = await api.createConversation({ type: "group", participant_ids: [bot] });
  const conversation = chat.joinConversation(id);
  const order: Order = {
    url: service.url,
    user: bot,
    conversation: id,
    text: "a Worker speaks",
    untilHeard: "and is answered",
  };
  chat.onMessage(({ body }) => {
    if (body?.text === order.text) void conversation.send({ text: order.untilHeard });
  });
  const response = await fetch(worker.url, { method: "POST", body: JSON.stringify(order) });
  expect(response.status).toBe(200);
  const outcome = (await response.json()) as Outcome;
  expect(outcome).toMatchObject({
    queued: false,
    storage: { kept: "memory", reason: "unavailable" },
    sentId: 1,
  });
  expect(outcome.heard).toContain(order.untilHeard);
  expect(outcome.statuses).toEqual(["connecting", "syncing", "live"]);
  const { data } = await api.listMessages(id);
  expect(data.map(({ body }) => body?.text)).toEqual([order.text, order.untilHeard]);
  chat.disconnect();
});
