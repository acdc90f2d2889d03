import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { expect, it } from "vitest";

it("adds little to the core", async () => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export * from "./index.ts"`, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2024",
    jsx: "automatic",
    external: ["react", "react/jsx-runtime", "../index.ts"],
  });
  const inputs = Object.keys(metafile.inputs).filter((path) => path !== "<stdin>");
  expect(inputs.filter((path) => !path.startsWith("client/react/"))).toEqual([]);
  expect(gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length).toBeLessThanOrEqual(3_000);
});
