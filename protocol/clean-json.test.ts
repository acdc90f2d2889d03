import { expect, test } from "vitest";
import { findUncleanJson } from "./clean-json.ts";
import { LIMITS } from "./limits.ts";

test("V3: what Postgres or JavaScript would stumble over is found, with its path", () => {
  expect(findUncleanJson({ a: ["ok", { b: "x\u0000" }] })).toMatchObject({ path: "a.1.b" });
  expect(findUncleanJson({ "k\ud800": 1 })?.message).toContain("surrogate");
  expect(findUncleanJson(JSON.parse('{"a":{"__proto__":1}}'))).toMatchObject({ path: "a" });
  expect(findUncleanJson({ text: "가나다 👩‍👩‍👧 𠮷", list: [1, null, true] })).toBeNull();
});

test("V3: nesting is bounded", () => {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
  expect(findUncleanJson(nested(LIMITS.jsonDepth))).toBeNull();
  expect(findUncleanJson(nested(LIMITS.jsonDepth + 1))).not.toBeNull();
});
