import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

async function bundle(external: string[]) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export { ChatClient } from "./index.ts"`, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2024",
    external,
  });
  const inputs = Object.keys(metafile.inputs);
  return { inputs, bytes: gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length };
}

it("holds no zod and little else", async () => {
  const core = await bundle(["partysocket/ws"]);
  const whole = await bundle([]);
  expect(whole.inputs.filter((path) => path.includes("zod"))).toEqual([]);
  expect(whole.inputs.filter((path) => path.includes("node_modules"))).toEqual([
    "node_modules/partysocket/dist/ws.js",
  ]);
  expect(core.bytes).toBeLessThanOrEqual(15_300);
  expect(whole.bytes).toBeLessThanOrEqual(17_900);
});
