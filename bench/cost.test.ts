import { expect, test } from "vitest";
import {
  ablyDollarsPerMillion,
  billOf,
  storageDollarsPerMillion,
  totalOf,
  type Usage,
  usageBetween,
  usageOfMillion,
} from "./cost.ts";

const NOTHING: Usage = {
  workerRequests: 0,
  objectRequests: 0,
  socketMessages: 0,
  alarms: 0,
  rowsRead: 0,
  rowsWritten: 0,
  activeMs: 0,
};

test("each unit has its price", () => {
  expect(totalOf(billOf({ ...NOTHING, workerRequests: 1e6 }))).toBeCloseTo(0.3);
  expect(totalOf(billOf({ ...NOTHING, objectRequests: 1e6 }))).toBeCloseTo(0.15);
  expect(totalOf(billOf({ ...NOTHING, alarms: 1e6 }))).toBeCloseTo(0.15);
  expect(totalOf(billOf({ ...NOTHING, socketMessages: 20e6 }))).toBeCloseTo(0.15);
  expect(totalOf(billOf({ ...NOTHING, rowsRead: 1e9 }))).toBeCloseTo(1);
  expect(totalOf(billOf({ ...NOTHING, rowsWritten: 2e6 }))).toBeCloseTo(2);
  // A million GB-s are 7,812,500 s of 128 MB.
  expect(totalOf(billOf({ ...NOTHING, activeMs: 7_812_500_000 }))).toBeCloseTo(12.5);
  expect(totalOf(billOf(NOTHING))).toBe(0);
});

test("an example of Cloudflare's: 100 objects of 50 sockets, a message a minute of each, 10 ms each", () => {
  const messages = 50 * 100 * 60 * 24 * 30;
  const bill = billOf({
    ...NOTHING,
    objectRequests: 5_000,
    socketMessages: messages,
    activeMs: messages * 10,
  });
  expect(bill.requests).toBeCloseTo(1.62, 2);
  expect(bill.duration).toBeCloseTo(3.456, 3);
});

test("a million messages and the connections that come with them", () => {
  const usage = usageOfMillion(
    { usage: { ...NOTHING, rowsWritten: 30, socketMessages: 10 }, messages: 10 },
    { usage: { ...NOTHING, workerRequests: 4, rowsRead: 40 }, connections: 4 },
    0.1,
  );
  expect(usage).toEqual({
    ...NOTHING,
    rowsWritten: 3e6,
    socketMessages: 1e6,
    workerRequests: 1e5,
    rowsRead: 1e6,
  });
});

test("usage between two counts", () => {
  expect(usageBetween({ ...NOTHING, alarms: 2 }, { ...NOTHING, alarms: 5, rowsRead: 1 })).toEqual({
    ...NOTHING,
    alarms: 3,
    rowsRead: 1,
  });
});

test("Ably counts a message once for each who gets it, and minutes", () => {
  expect(ablyDollarsPerMillion(20, 1e12)).toBeCloseTo(52.5);
  expect(ablyDollarsPerMillion(20, 21)).toBeCloseTo(53.5);
});

test("storage is paid for twice: in the object and in Postgres", () => {
  expect(storageDollarsPerMillion(1_000, 0)).toBeCloseTo(0.2);
  expect(storageDollarsPerMillion(1_000, 1_000)).toBeCloseTo(0.55);
});
