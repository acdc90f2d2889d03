import { expect, test } from "vitest";
import { agoText } from "./format.ts";
import type { Words } from "./i18n.ts";

const t = { justNow: "just now", yesterday: "Yesterday" } as Words;
const now = new Date(2026, 10, 22, 12);
const ago = (minutes: number) => agoText("en", t, new Date(now.getTime() - minutes * 60_000), now);

test("how long ago is said in what fits", () => {
  expect(ago(0)).toBe("just now");
  // Clocks differ.
  expect(ago(-3)).toBe("just now");
  expect(ago(5)).toBe("5 minutes ago");
  expect(ago(61)).toBe("1 hour ago");
  expect(ago(24 * 60)).toBe("1 day ago");
  expect(ago(30 * 24 * 60)).toBe("Oct 23");
});
