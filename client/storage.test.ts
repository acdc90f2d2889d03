import { expect, it } from "vitest";
import { FakeDisk } from "./fake-disk.ts";
import { memoryStorage } from "./storage.ts";
import { STORAGE_CASES } from "./storage-contract.ts";

it.each(STORAGE_CASES)("memory $name", async ({ check }) => {
  const storage = memoryStorage();
  await check(() => storage);
});

it.each(STORAGE_CASES)("the disk of the tests $name", async ({ check }) => {
  const disk = new FakeDisk();
  await check(() => disk.open().storage);
});

it("memory says that it does not last", () => {
  expect(memoryStorage().isDurable).toBe(false);
});
