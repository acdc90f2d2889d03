import type { ChatStorage } from "./storage.ts";

/** What every {@link ChatStorage} must do. Each is run on an empty one; it throws what is wrong. */
export const STORAGE_CASES: ReadonlyArray<{
  name: string;
  /** @param open the storage, as another client would open it */
  check(open: () => ChatStorage): Promise<void>;
}> = [
  {
    name: "gives back what was written, and not what was taken away",
    async check(open) {
      const storage = open();
      await storage.write([
        ["a 1", { text: "하나", list: [1, null, true] }],
        ["a 2", "two"],
      ]);
      await storage.write([["a 2", undefined]]);
      await storage.write([["never", undefined]]);
      expectSame(await storage.list("a "), [["a 1", { text: "하나", list: [1, null, true] }]]);
    },
  },
  {
    name: "lists a prefix in the order of its keys, and nothing else",
    async check(open) {
      const storage = open();
      const keys = ["b 10", "b 9", "b", "c 1", "b 1", "b é", "b 한글", "B 1", "a 1"];
      await storage.write(keys.map((key) => [key, key]));
      expectSame(
        (await storage.list("b ")).map(([key]) => key),
        ["b 1", "b 10", "b 9", "b é", "b 한글"],
      );
      expectSame((await storage.list("")).length, keys.length);
      expectSame(await storage.list("d"), []);
    },
  },
  {
    name: "keeps the last of several values of a key, also within one write",
    async check(open) {
      const storage = open();
      await storage.write([
        ["k", 1],
        ["k", 2],
        ["gone", 1],
        ["gone", undefined],
      ]);
      expectSame(await storage.list(""), [["k", 2]]);
      await Promise.all([1, 2, 3].map((n) => storage.write([["k", n]])));
      expectSame(await storage.list(""), [["k", 3]]);
    },
  },
  {
    name: "is not changed by what happens to a value after it was given or got",
    async check(open) {
      const storage = open();
      const value = { list: [1] };
      await storage.write([["k", value]]);
      value.list.push(2);
      expectSame(await storage.list("k"), [["k", { list: [1] }]]);
      const [[, got] = []] = await storage.list("k");
      (got as { list: number[] }).list.push(3);
      expectSame(await storage.list("k"), [["k", { list: [1] }]]);
    },
  },
  {
    name: "holds many and large values",
    async check(open) {
      const storage = open();
      const large = "x".repeat(1_000_000);
      await storage.write(
        Array.from({ length: 500 }, (_, n) => [`n ${String(n).padStart(3, "0")}`, n] as const),
      );
      await storage.write([["large", large]]);
      expectSame(
        (await storage.list("n ")).map(([, value]) => value),
        Array.from({ length: 500 }, (_, n) => n),
      );
      expectSame((await storage.list("large"))[0]?.[1] === large, true);
    },
  },
];

function expectSame(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${a} instead of ${b}`);
}
