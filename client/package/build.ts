import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { minify } from "terser";
import { type EntryPoint, rollUp } from "./declarations.ts";
import { describeApi } from "./reference.ts";

/** Builds the npm package into client/package/dist, and its reference into docs/client-api.md. */
const root = join(import.meta.dirname, "../..");
const client = join(root, "client");
/** The package's root. */
export const OUTPUT = join(import.meta.dirname, "dist");
export const REFERENCE = join(root, "docs/client-api.md");

/** What can be imported, and where it begins. The first is the package itself; each may export what one before it does. */
const SUBPATHS = {
  index: "index.ts",
  react: "react/index.ts",
  query: "query/index.ts",
  zustand: "zustand/index.ts",
  server: "server.ts",
};
const NAMES = Object.keys(SUBPATHS);

/** @returns the reference of what was built */
export async function buildPackage(): Promise<string> {
  await rm(OUTPUT, { recursive: true, force: true });
  await mkdir(OUTPUT, { recursive: true });
  const [reference] = await Promise.all([writeDeclarations(), writeScripts(), writeManifest(), writeWords()]);
  // Whoever has the package has the reference.
  await writeFile(join(OUTPUT, "API.md"), reference);
  return reference;
}

async function writeScripts(): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(
      Object.entries(SUBPATHS).map(([name, path]) => [name, join(client, path)]),
    ),
    outdir: OUTPUT,
    bundle: true,
    // What two of them use exists once: classes and contexts must be the same everywhere.
    splitting: true,
    chunkNames: "chunk-[hash]",
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    packages: "external",
    sourcemap: "external",
    legalComments: "none",
    write: false,
  });
  // Nothing happens when a module is loaded: an import for that alone would only make bundlers warn.
  const texts = new Map(
    outputFiles.map(({ path, text }) => [path, text.replace(/^import "\.\/chunk-[^"]+";$/gm, "")]),
  );
  for (const [path, text] of texts) {
    if (!path.endsWith(".js")) continue;
    // Names stay: for stack traces and the tools of React, and an application's own bundler shortens them anyway.
    const { code, map } = await minify(text, {
      module: true,
      ecma: 2020,
      compress: { passes: 3, directives: false },
      mangle: false,
      format: { preserve_annotations: true },
      sourceMap: { content: texts.get(`${path}.map`) ?? "", url: `${basename(path)}.map` },
    });
    await writeFile(path, code ?? "");
    await writeFile(`${path}.map`, String(map));
  }
}

async function writeDeclarations(): Promise<string> {
  const emitted = join(OUTPUT, ".types");
  const emittedServer = join(OUTPUT, ".types-server");
  const { server, ...others } = SUBPATHS;
  await Promise.all([
    emitDeclarations(emitted, join(client, "tsconfig.json"), Object.values(others)),
    // The service's types are those of Workers, which do not go together with a browser's.
    emitDeclarations(emittedServer, join(root, "tsconfig.json"), [server]),
  ]);
  await cp(join(emittedServer, "client/server.d.ts"), join(emitted, "client/server.d.ts"));
  const entryPoints = Object.entries(SUBPATHS).map(
    ([name, path]): EntryPoint => ({
      name,
      declarations: join(emitted, "client", path.replace(/\.ts$/, ".d.ts")),
    }),
  );
  const rolledUp = rollUp(
    entryPoints,
    await writeProject(
      emitted,
      entryPoints.map(({ declarations }) => declarations),
    ),
  );
  for (const [name, text] of rolledUp) await writeFile(join(OUTPUT, `${name}.d.ts`), text);
  const files = NAMES.map((name) => join(OUTPUT, `${name}.d.ts`));
  const reference = await formatted(describeApi(files, await writeProject(emitted, files)));
  await rm(emitted, { recursive: true });
  await rm(emittedServer, { recursive: true });
  return reference;
}

/** As the repository's other documents are. */
async function formatted(markdown: string): Promise<string> {
  const run = promisify(execFile)(
    process.execPath,
    [join(root, "node_modules/@biomejs/biome/bin/biome"), "format", `--stdin-file-path=${REFERENCE}`],
    { cwd: root, maxBuffer: 16 * 1024 * 1024 },
  );
  run.child.stdin?.end(markdown);
  return (await run).stdout;
}

async function emitDeclarations(outDir: string, base: string, paths: readonly string[]): Promise<void> {
  await mkdir(outDir, { recursive: true });
  const project = join(outDir, "tsconfig.json");
  const config = {
    extends: base,
    compilerOptions: { noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: root, outDir },
    include: [],
    files: paths.map((path) => join(client, path)),
  };
  await writeFile(project, JSON.stringify(config));
  await promisify(execFile)(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), "-p", project],
    {
      cwd: root,
    },
  );
}

/** A project of declarations alone. */
async function writeProject(folder: string, files: readonly string[]): Promise<string> {
  const project = join(folder, "tsconfig.json");
  const compilerOptions = {
    target: "es2024",
    lib: ["es2024", "dom", "dom.iterable"],
    module: "esnext",
    moduleResolution: "bundler",
    types: [],
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
  };
  await writeFile(project, JSON.stringify({ compilerOptions, files }));
  return project;
}

async function writeManifest(): Promise<void> {
  const [template, own] = await Promise.all(
    [join(import.meta.dirname, "package.json"), join(root, "package.json")].map(
      async (path) => JSON.parse(await readFile(path, "utf8")) as Manifest,
    ),
  );
  if (!template || !own) throw new Error("There are two manifests.");
  const { partysocket } = own.dependencies;
  const exports = NAMES.map((name) => [
    name === "index" ? "." : `./${name}`,
    { types: `./${name}.d.ts`, default: `./${name}.js` },
  ]);
  const manifest = {
    ...template,
    // The template is not to be published; what is built from it is.
    private: undefined,
    version: own.version,
    exports: { ...Object.fromEntries(exports), "./package.json": "./package.json" },
    dependencies: { partysocket: `^${partysocket}` },
  };
  await writeFile(join(OUTPUT, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

interface Manifest {
  version: string;
  dependencies: Record<string, string>;
}

async function writeWords(): Promise<void> {
  for (const name of ["README.md", "README.ko.md"]) {
    const text = await readFile(join(import.meta.dirname, name), "utf8");
    await writeFile(join(OUTPUT, name), text.replaceAll("../../docs/client-api.md", "API.md"));
  }
  await cp(join(root, "LICENSE"), join(OUTPUT, "LICENSE"));
}

if (import.meta.main) await writeFile(REFERENCE, await buildPackage());
