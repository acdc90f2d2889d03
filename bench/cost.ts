import { PRICES } from "./prices.ts";

/** What was counted, of some messages or of one connection. */
export interface Usage {
  workerRequests: number;
  /** HTTP and RPC, without alarms and WebSocket messages. */
  objectRequests: number;
  /** Incoming. */
  socketMessages: number;
  alarms: number;
  rowsRead: number;
  /** `setAlarm` included. */
  rowsWritten: number;
  /** Wall-clock time of objects that had something under way. */
  activeMs: number;
}

/** Dollars, by what they are paid for. */
export interface Bill {
  requests: number;
  duration: number;
  rowsRead: number;
  rowsWritten: number;
}

/** Incoming WebSocket messages billed as one request. */
const MESSAGES_A_REQUEST = 20;
/** Memory an object is billed for, whatever it uses. */
const OBJECT_GB = 0.128;
const MILLION = 1_000_000;
const GB = 1_000_000_000;
const HOURS_A_MONTH = 730;

export function billOf(usage: Usage): Bill {
  const objectRequests = usage.objectRequests + usage.alarms + usage.socketMessages / MESSAGES_A_REQUEST;
  return {
    requests:
      (usage.workerRequests * PRICES.workerRequests.dollars +
        objectRequests * PRICES.objectRequests.dollars) /
      MILLION,
    duration: ((usage.activeMs / 1000) * OBJECT_GB * PRICES.duration.dollars) / MILLION,
    rowsRead: (usage.rowsRead * PRICES.rowsRead.dollars) / MILLION,
    rowsWritten: (usage.rowsWritten * PRICES.rowsWritten.dollars) / MILLION,
  };
}

export const totalOf = ({ requests, duration, rowsRead, rowsWritten }: Bill): number =>
  requests + duration + rowsRead + rowsWritten;

/** The difference of two counts. */
export function usageBetween(before: Usage, after: Usage): Usage {
  return combine(after, before, (a, b) => a - b);
}

/**
 * A million messages, with the share of connections that comes with them.
 *
 * @param run      what `messages` used, nobody connecting
 * @param connects what `connections` used
 * @param perMessage connections that come with a message: people come and go
 */
export function usageOfMillion(
  run: { usage: Usage; messages: number },
  connects: { usage: Usage; connections: number },
  perMessage: number,
): Usage {
  return combine(
    run.usage,
    connects.usage,
    (ofRun, ofConnects) =>
      (ofRun / run.messages) * MILLION + (ofConnects / connects.connections) * perMessage * MILLION,
  );
}

/** Ably's bill of a million messages: each counts when it is sent, and once for each who gets it. */
export function ablyDollarsPerMillion(participants: number, messagesAMinute: number): number {
  const minutes = (participants + 1) / messagesAMinute;
  return (participants + 1) * PRICES.ablyMessages.dollars + minutes * PRICES.ablyMinutes.dollars;
}

/** Two servers, one Redis, Postgres with a standby; what balances between them is not counted. */
export const CLASSIC_MACHINES = 5;
export const CLASSIC_DOLLARS_A_MONTH = CLASSIC_MACHINES * PRICES.machine.dollars;

/** The smallest Neon that never sleeps: a quarter of a compute unit. */
export const NEON_DOLLARS_A_MONTH = 0.25 * PRICES.neonCompute.dollars * HOURS_A_MONTH;

/** To keep a million messages for a month, in the object and in Postgres. */
export function storageDollarsPerMillion(objectBytes: number, postgresBytes: number): number {
  return (
    ((objectBytes * PRICES.objectStorage.dollars + postgresBytes * PRICES.neonStorage.dollars) * MILLION) / GB
  );
}

function combine(a: Usage, b: Usage, operation: (a: number, b: number) => number): Usage {
  return {
    workerRequests: operation(a.workerRequests, b.workerRequests),
    objectRequests: operation(a.objectRequests, b.objectRequests),
    socketMessages: operation(a.socketMessages, b.socketMessages),
    alarms: operation(a.alarms, b.alarms),
    rowsRead: operation(a.rowsRead, b.rowsRead),
    rowsWritten: operation(a.rowsWritten, b.rowsWritten),
    activeMs: operation(a.activeMs, b.activeMs),
  };
}
