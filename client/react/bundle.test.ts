import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

it("adds little to the core", async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(import.meta.dirname, "index.ts")],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2024",
    jsx: "automatic",
    external: ["react", "react/jsx-runtime", "../index.ts", "./index.ts"],
  });
  const others = Object.keys(metafile.inputs).filter((path) => !path.startsWith("client/react/"));
  expect(others).toEqual(["client/actions.ts"]);
  expect(gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length).toBeLessThanOrEqual(3_000);
});
