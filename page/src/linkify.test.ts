import { expect, test } from "vitest";
import { linkify } from "./linkify.ts";

const links = (text: string): string[] =>
  linkify(text)
    .filter(({ href }) => href !== null)
    .map((part) => part.text);

test.each([
  ["see https://example.com.", ["https://example.com"]],
  ["(https://en.wikipedia.org/wiki/Arc_(geometry))", ["https://en.wikipedia.org/wiki/Arc_(geometry)"]],
  ["https://example.com에서 봐요", ["https://example.com"]],
  ["https://example.com/docs?a=1&b=2에 있어요", ["https://example.com/docs?a=1&b=2"]],
  ["https://ko.wikipedia.org/wiki/서울", ["https://ko.wikipedia.org/wiki/서울"]],
  ["http://a.example/x, https://b.example/y!", ["http://a.example/x", "https://b.example/y"]],
  ["javascript:alert(1) data:text/html,x file:///etc", []],
  ["https:// and http://", []],
])("links in %s", (text, expected) => {
  expect(links(text)).toEqual(expected);
  expect(
    linkify(text)
      .map((part) => part.text)
      .join(""),
  ).toBe(text);
});

test("every address is http or https", () => {
  for (const { href } of linkify("https://a.example/<script> http://b.example/\"onclick='x'")) {
    if (href) expect(href).toMatch(/^https?:\/\//);
  }
});
