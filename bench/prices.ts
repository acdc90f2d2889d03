/** A published price in US dollars, and where it stood. */
export interface Price {
  dollars: number;
  /** What one pays it for. */
  per: string;
  source: string;
  /** The day it was seen there, or how old the copy was that it was seen in. */
  seen: string;
}

const DURABLE_OBJECTS = "https://developers.cloudflare.com/durable-objects/platform/pricing/";
const WORKERS = "https://developers.cloudflare.com/workers/platform/pricing/";
const ABLY = "https://ably.com/pricing";
const NEON = "https://neon.com/docs/introduction/plans";
const DROPLETS = "https://www.digitalocean.com/pricing/droplets";
const SEEN = "2026-11-23";

/**
 * Every price the cost meter uses. What a plan includes for its base price is left out, so that a small bill looks
 * larger than it is and a large one right.
 */
export const PRICES = {
  workerRequests: { dollars: 0.3, per: "million requests of the Worker", source: WORKERS, seen: SEEN },
  objectRequests: {
    dollars: 0.15,
    per: "million requests of an object: HTTP, RPC, alarms, and 20 incoming WebSocket messages",
    source: DURABLE_OBJECTS,
    seen: SEEN,
  },
  duration: {
    dollars: 12.5,
    per: "million GB-s of an object that is active; each counts as 128 MB",
    source: DURABLE_OBJECTS,
    seen: SEEN,
  },
  rowsRead: { dollars: 0.001, per: "million rows read", source: DURABLE_OBJECTS, seen: SEEN },
  rowsWritten: {
    dollars: 1,
    per: "million rows written, those of indexes and setAlarm included",
    source: DURABLE_OBJECTS,
    seen: SEEN,
  },
  objectStorage: { dollars: 0.2, per: "GB-month in objects", source: DURABLE_OBJECTS, seen: SEEN },
  neonStorage: { dollars: 0.35, per: "GB-month in Neon", source: NEON, seen: "in a copy of 2026-11-12" },
  neonCompute: {
    dollars: 0.106,
    per: "hour of a compute unit of Neon",
    source: NEON,
    seen: "in a copy of 2026-11-12",
  },
  ablyMessages: {
    dollars: 2.5,
    per: "million messages of Ably, each delivery counting as one (per-message pricing, no longer sold to new accounts)",
    source: ABLY,
    seen: "in a copy of 2026-05-08",
  },
  ablyMinutes: {
    dollars: 1,
    per: "million minutes of a connection, and of a channel, of Ably",
    source: ABLY,
    seen: "in a copy of 2026-05-08",
  },
  machine: {
    dollars: 24,
    per: "month of a machine with 2 vCPU and 4 GB",
    source: DROPLETS,
    seen: "in a copy of the list of 2022-07",
  },
} as const satisfies Record<string, Price>;
