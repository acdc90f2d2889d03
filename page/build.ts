import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

/** Bundles the demo page into page/dist. Everything is a file of its own, so a strict CSP can serve it. */
const source = join(import.meta.dirname, "src");
const output = join(import.meta.dirname, "dist");

await mkdir(output, { recursive: true });
await Promise.all([
  build({
    entryPoints: { app: join(source, "main.tsx") },
    outdir: output,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2024",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    legalComments: "none",
    logLevel: "warning",
  }),
  build({
    entryPoints: { app: join(source, "styles.css") },
    outdir: output,
    bundle: true,
    minify: true,
    logLevel: "warning",
  }),
  ...["index.html", "favicon.svg"].map((file) => copyFile(join(source, file), join(output, file))),
]);
