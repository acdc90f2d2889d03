import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { SourceMap, type SourceMapping } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { build as buildWithVite } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildPackage, OUTPUT, REFERENCE } from "./build.ts";

const ROOT = join(import.meta.dirname, "../..");
const NAME = "@arcyou/chat-client";
const SUBPATHS = [NAME, ...["react", "query", "zustand", "server"].map((name) => `${NAME}/${name}`)];
/** What an application brings along if it wants the subpaths, and what those need for types. */
const PEERS = ["react", "@tanstack/react-query", "zustand", "hono"];
const COMPANY = ["react-dom", "@types/react", "@types/react-dom"];

let project: string;
let tarball: string;
let reference: string;

const run = promisify(execFile);
/** @returns what the program prints */
async function tool(path: string, args: string[], cwd = project): Promise<string> {
  try {
    const { stdout } = await run(process.execPath, [join(ROOT, "node_modules", path), ...args], { cwd });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${path} ${args.join(" ")}\n${stdout}\n${stderr}`);
  }
}

const npm = (...args: string[]) =>
  run("npm", [...args, "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: project });

async function pack(folder: string): Promise<string> {
  const { stdout } = await npm("pack", folder, "--json", "--pack-destination", project);
  const packed: unknown = Object.values(JSON.parse(stdout) as object)[0];
  return join(project, (packed as { filename: string }).filename);
}

/** Runs a module in the project. */
async function runModule(name: string, text: string): Promise<unknown> {
  await writeFile(join(project, name), text);
  const { stdout } = await run(process.execPath, [name], { cwd: project });
  return JSON.parse(stdout);
}

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), "chat-client-"));
  await writeFile(
    join(project, "package.json"),
    JSON.stringify({ name: "app", private: true, type: "module" }),
  );
  reference = await buildPackage();
  const modules = join(ROOT, "node_modules");
  const tarballs: string[] = [];
  for (const folder of [OUTPUT, join(modules, "partysocket"), join(modules, "event-target-polyfill")])
    tarballs.push(await pack(folder));
  tarball = tarballs[0] ?? "";
  // Without a network npm cannot look up even those peers that it would leave out.
  await npm("install", "--offline", "--legacy-peer-deps", ...tarballs);
});

afterAll(() => rm(project, { recursive: true, force: true }));

/** Installs what the repository has. */
async function link(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const place = join(project, "node_modules", name);
    await mkdir(dirname(place), { recursive: true });
    await symlink(join(ROOT, "node_modules", name), place);
  }
}

describe("installed in an empty project", () => {
  it("brings partysocket and nothing else", async () => {
    const installed = await readdir(join(project, "node_modules"));
    expect(installed.filter((name) => !name.startsWith(".")).sort()).toEqual([
      "@arcyou",
      "event-target-polyfill",
      "partysocket",
    ]);
  });

  it("runs in Node without any peer", async () => {
    const text = `
      import { ChatClient, ChatError, memoryStorage } from "${NAME}";
      const chat = new ChatClient({ url: "https://chat.example", token: () => "t", userId: "u", storage: memoryStorage() });
      const handle = chat.joinConversation("c");
      const sending = handle.send({ text: "Hello" });
      console.log(JSON.stringify({
        status: handle.state.status, queued: await sending.queued, pending: handle.state.pending.length,
        key: sending.key.length, isError: new ChatError("CONFLICT", "no") instanceof Error,
      }));`;
    expect(await runModule("plain.mjs", text)).toEqual({
      status: "disconnected",
      queued: false,
      pending: 1,
      key: 32,
      isError: true,
    });
  });

  it("is found to be right by publint and attw", async () => {
    expect(await tool("publint/src/cli.js", [tarball, "--strict"])).toContain("All good!");
    // It ends with a status of its own when it finds a problem that the profile does not take for granted.
    const args = [tarball, "--profile", "esm-only", "--format", "json"];
    const { analysis }: Found = JSON.parse(await tool("@arethetypeswrong/cli/dist/index.js", args));
    expect(Object.keys(analysis.entrypoints)).toHaveLength(SUBPATHS.length + 1);
    // CommonJS can import it, and cannot require it.
    expect([...new Set(analysis.problems.map((problem) => problem.resolutionKind))]).toEqual(["node16-cjs"]);
  });
});

describe("installed next to what its subpaths need", () => {
  beforeAll(() => link([...PEERS, ...COMPANY]));

  it("can be imported as a whole, and its parts share their classes", async () => {
    const text = `
      const modules = await Promise.all(${JSON.stringify(SUBPATHS)}.map((name) => import(name)));
      const [{ ChatError, ChatClient }, , , { createConversationStore }, { createServerClient }] = modules;
      const server = createServerClient({ url: "https://chat.example", credential: "k", fetch: async () => new Response(null, { status: 404 }) });
      const error = await server.api.settings.$get().catch((error) => error);
      const chat = new ChatClient({ url: "https://chat.example", token: () => "t" });
      const store = createConversationStore(chat, "c");
      console.log(JSON.stringify({
        exports: modules.map((module) => Object.keys(module).length > 0),
        isChatError: error instanceof ChatError, code: error.code, status: store.getState().status,
      }));
      store.destroy();`;
    expect(await runModule("whole.mjs", text)).toEqual({
      exports: SUBPATHS.map(() => true),
      isChatError: true,
      code: "NOT_FOUND",
      status: "disconnected",
    });
  });

  it("renders on a server", async () => {
    const text = `
      import { createElement } from "react";
      import { renderToString } from "react-dom/server";
      import { ChatProvider, useChat } from "${NAME}/react";
      let tokens = 0;
      function Conversation() {
        const { status, messages } = useChat("c");
        return createElement("p", null, status + " " + messages.length);
      }
      const options = { url: "https://chat.example", userId: "u", token: () => { tokens += 1; return "t"; } };
      const html = renderToString(createElement(ChatProvider, options, createElement(Conversation)));
      console.log(JSON.stringify({ html, tokens }));`;
    expect(await runModule("page.mjs", text)).toEqual({ html: "<p>disconnected 0</p>", tokens: 0 });
    const script = await readFile(join(OUTPUT, "react.js"), "utf8");
    expect(script.startsWith('"use client"')).toBe(true);
  });

  it("goes through esbuild and Vite, without zod and without what is not used", async () => {
    const app = `
      import { ChatClient } from "${NAME}";
      import { ChatProvider, useChat } from "${NAME}/react";
      globalThis.app = [ChatClient, ChatProvider, useChat];`;
    await writeFile(join(project, "app.js"), app);
    const { metafile, outputFiles } = await bundle(app);
    const inputs = Object.keys(metafile.inputs);
    expect(inputs.filter((path) => /zod|hono|react-query|zustand/.test(path))).toEqual([]);
    expect(outputFiles[0]?.text).not.toContain("searchMessages");

    const built = await buildWithVite({
      root: project,
      logLevel: "error",
      configFile: false,
      build: {
        write: false,
        lib: { entry: "app.js", formats: ["es"] },
        rolldownOptions: { external: /^react/ },
      },
    });
    const [vite] = Array.isArray(built) ? built : [built];
    const chunk = vite && "output" in vite ? vite.output[0] : undefined;
    expect(chunk?.code).toContain("arcyou.v1");
    expect(chunk?.code).not.toContain("searchMessages");
  });

  it("costs an application what the README says", async () => {
    const sizeOf = async (text: string, external: string[]) => {
      const { outputFiles } = await bundle(text, external);
      return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
    };
    const client = `export { ChatClient } from "${NAME}"`;
    const sizes = [await sizeOf(client, ["partysocket"]), await sizeOf(client, [])];
    const words = await readFile(join(import.meta.dirname, "README.md"), "utf8");
    const said = /gzipped: ([\d.]+) kB, and ([\d.]+) kB/.exec(words)?.slice(1).map(Number) ?? [];
    for (const [index, bytes] of sizes.entries())
      expect(Math.abs(bytes / 1_000 - (said[index] ?? 0)), `${bytes} bytes`).toBeLessThan(0.2);
    // What nobody uses is left out.
    expect(await sizeOf(`export { ChatError } from "${NAME}"`, ["partysocket"])).toBeLessThan(400);
  });

  it.each(["bundler", "nodenext", "node16"])("has types for moduleResolution %s", async (resolution) => {
    await writeFile(join(project, "app.tsx"), TYPED_APP);
    const module = resolution === "bundler" ? "esnext" : resolution;
    const lib = ["es2024", "dom", "dom.iterable", "esnext.disposable"];
    const compilerOptions = {
      target: "es2022",
      lib,
      module,
      moduleResolution: resolution,
      strict: true,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
      skipLibCheck: false,
      noEmit: true,
      jsx: "react-jsx",
      types: [],
    };
    const file = `tsconfig.${resolution}.json`;
    await writeFile(join(project, file), JSON.stringify({ compilerOptions, files: ["app.tsx"] }));
    expect(await tool("typescript/bin/tsc", ["-p", file])).toBe("");
  });
});

describe("what was built", () => {
  it("imports nothing that is not asked for in its manifest", async () => {
    const { dependencies } = JSON.parse(await readFile(join(OUTPUT, "package.json"), "utf8"));
    expect(Object.keys(dependencies)).toEqual(["partysocket"]);
    const found = new Set<string>();
    for (const name of await readdir(OUTPUT)) {
      if (!/\.(js|d\.ts)$/.test(name)) continue;
      const text = await readFile(join(OUTPUT, name), "utf8");
      for (const [, from = ""] of text.matchAll(/(?:\bfrom|\bimport|import\()\s*"([^".][^"]*)"/g))
        found.add(
          from
            .split("/")
            .slice(0, from.startsWith("@") ? 2 : 1)
            .join("/"),
        );
    }
    expect([...found].sort()).toEqual(["partysocket", ...PEERS].sort());
  });

  it("has source maps to what was written", async () => {
    for (const name of await readdir(OUTPUT)) {
      if (!name.endsWith(".js")) continue;
      const text = await readFile(join(OUTPUT, name), "utf8");
      expect(text).toContain(`//# sourceMappingURL=${name}.map`);
      const map = JSON.parse(await readFile(join(OUTPUT, `${name}.map`), "utf8")) as { sources: string[] };
      expect(map.sources.every((path) => /^\.\.\/\.\.\/[\w/.-]+\.tsx?$/.test(path))).toBe(true);
    }
    const script = await readFile(join(OUTPUT, "react.js"), "utf8");
    const before = script.slice(0, script.indexOf("There is no <ChatProvider>")).split("\n");
    const map = new SourceMap(JSON.parse(await readFile(join(OUTPUT, "react.js.map"), "utf8")));
    const entry = map.findEntry(before.length - 1, before.at(-1)?.length ?? 0);
    const { originalSource = "", originalLine = 0 } = entry as Partial<SourceMapping>;
    const source = await readFile(join(OUTPUT, originalSource), "utf8");
    expect(source.split("\n")[originalLine]).toContain("There is no <ChatProvider>");
  });

  it("is what docs/client-api.md describes: `npm run build:client` writes it anew", async () => {
    expect(await readFile(REFERENCE, "utf8")).toBe(reference);
  });
});

interface Found {
  analysis: { entrypoints: object; problems: Array<{ resolutionKind: string }> };
}

const TYPED_APP = `
import { ChatClient, type ConversationHandle, type Message, type ServerEvent } from "${NAME}";
import { conversationsQueryOptions, sendMessageOptions } from "${NAME}/query";
import { ChatProvider, useChat } from "${NAME}/react";
import { createServerClient } from "${NAME}/server";
import { createConversationStore } from "${NAME}/zustand";

const chat = new ChatClient({ url: "https://chat.example", token: async () => "t" });
export const handle: ConversationHandle = chat.joinConversation("c");
export const sent: Message = await handle.send({ text: "Hello" });
export const text: string | undefined = sent.body?.text;
export const queued: boolean = await handle.send({ data: { a: 1 } }).queued;
chat.on("reaction.updated", ({ emoji, count }) => [emoji.length, count.toFixed()]);
export const kinds: Record<ServerEvent["type"], 1> | null = null;
// @ts-expect-error there is no such field
sent.body?.txt;

export function Conversation() {
  const { messages, pending, send } = useChat("c");
  void send({ text: "Hello" });
  return <p>{messages.length + pending.length}</p>;
}
export const page = <ChatProvider client={chat}><Conversation /></ChatProvider>;

export const key: readonly ["chat", "conversations"] = conversationsQueryOptions(chat).queryKey;
sendMessageOptions(chat, "c").mutationFn satisfies unknown;
export const status: "disconnected" | "connecting" | "syncing" | "live" | "closed" =
  createConversationStore(chat, "c").getState().status;

const server = createServerClient({ url: "https://chat.example", credential: "k" });
const reply = await server.api.conversations.$post({
  header: {},
  json: { type: "group", title: "Lunch", participant_ids: ["a"] },
});
export const title: string | null = (await reply.json()).data.title;
// @ts-expect-error there is no such type
void server.api.conversations.$post({ header: {}, json: { type: "crowd", participant_ids: [] } });
`;

async function bundle(contents: string, external: string[] = []) {
  return build({
    stdin: { contents, resolveDir: project },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2024",
    external: ["react", ...external],
  });
}
