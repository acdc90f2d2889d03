import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type BuildOptions, build } from "esbuild";

/** Bundles the demo page into page/dist. Everything is a file of its own, so a strict CSP can serve it. */
const source = join(import.meta.dirname, "src");
const output = join(import.meta.dirname, "dist");

await mkdir(output, { recursive: true });
const options: BuildOptions = {
  outdir: output,
  bundle: true,
  minify: true,
  logLevel: "warning",
  write: false,
};
const [script, styles] = await Promise.all([
  build({
    ...options,
    entryPoints: { app: join(source, "main.tsx") },
    format: "esm",
    target: "es2024",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    legalComments: "none",
  }),
  build({ ...options, entryPoints: { app: join(source, "styles.css") } }),
]);
for (const { path, contents } of [...(script.outputFiles ?? []), ...(styles.outputFiles ?? [])]) {
  await replace(basename(path), contents);
}
for (const name of ["index.html", "favicon.svg"]) await replace(name, await readFile(join(source, name)));

/**
 * Writes the file only if it changes, and as a whole: other copies of the service that run from this folder watch it,
 * and would start their Worker anew.
 */
async function replace(name: string, contents: Uint8Array): Promise<void> {
  const file = join(output, name);
  const present = await readFile(file).catch(() => null);
  if (present?.equals(contents)) return;
  const unfinished = `${file}.${process.pid}`;
  await writeFile(unfinished, contents);
  await rename(unfinished, file);
}
