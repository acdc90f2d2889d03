import type { Weather } from "./network.ts";
import type { PostgresMood } from "./postgres.ts";
import { UNSTORABLE } from "./postgres.ts";
import { Random } from "./random.ts";

/** Something that happens in a run. `who` is the number of a device; `luck` (0 to 1) makes what choice is left. */
export type Step = { atMs: number } & Action;

export type Action =
  | { do: "send"; who: number; text: string; isReply: boolean }
  | { do: "post"; who: number; text: string }
  | { do: "edit" | "delete"; who: number; luck: number; text: string }
  | { do: "page" | "react"; who: number; luck: number }
  /** How far was read, said over REST or over the socket. */
  | { do: "read" | "glance"; who: number; luck: number }
  | { do: "summary" | "older" | "reload"; who: number }
  | { do: "away"; who: number; forMs: number }
  | { do: "add" | "remove" | "promote"; who: number; target: string }
  | { do: "rename"; who: number; title: string }
  | { do: "end"; who: number }
  | Fault;

/** What goes wrong. */
export type Fault =
  | { do: "tear"; who: number; serverNoticesMs: number }
  | { do: "strand"; who: number; forMs: number }
  | { do: "freeze"; who: number; forMs: number }
  | { do: "offline"; who: number; forMs: number }
  | { do: "hold"; who: number; direction: "up" | "down" | "both"; forMs: number; isForgotten: boolean }
  | { do: "weather"; who: number; weather: Weather; forMs: number }
  | { do: "crash"; luck: number }
  | { do: "crash in the middle"; effects: number; luck: number }
  | { do: "deploy" }
  | { do: "evict" }
  | { do: "lose storage" }
  | { do: "postgres"; mood: PostgresMood; forMs: number }
  | { do: "slow disk"; flushMs: number; forMs: number }
  | { do: "alarm twice" }
  | { do: "clock"; who: number | null; skewMs: number };

/** Everything that makes one run; the rest follows from its seed. */
export interface Plan {
  seed: number;
  users: string[];
  /** The user of each device. */
  devices: string[];
  /** Users who take part from the beginning; the others are added or never. The first one is the admin. */
  participants: number;
  tokenLifeMs: number | null;
  /** Of the service; clients keep to its default, so that a lower one is met. */
  rateLimit: { perSecond: number; burst: number };
  /** Whether devices keep on a disk what is unsent, and what they saw. */
  disks?: boolean;
  steps: Step[];
}

const FAULTS = new Set<string>([
  "tear",
  "strand",
  "freeze",
  "offline",
  "hold",
  "weather",
  "crash",
  "crash in the middle",
  "deploy",
  "evict",
  "lose storage",
  "postgres",
  "slow disk",
  "alarm twice",
  "clock",
] satisfies Fault["do"][]);

export const isFault = (step: Action): step is Fault => FAULTS.has(step.do);

/** Draws a plan: a conversation of two to four people, up to a minute of it, and up to five faults. */
export function drawPlan(seed: number): Plan {
  const random = new Random(seed);
  const users = ["ann", "bo", "cho", "dae"].slice(0, random.integer(2, 4));
  const devices = [...users, ...users.filter(() => random.chance(0.3))];
  const lengthMs = random.pick([2_000, 10_000, 60_000]);
  const steps: Step[] = [];
  const participants = random.chance(0.7) ? users.length : random.integer(2, users.length);
  const insiders = [...devices.keys()].filter((who) => users.indexOf(devices[who] ?? "") < participants);
  // Two at once, whatever else: a run without overlap proves nothing.
  for (const who of [0, 1]) steps.push({ atMs: 0, do: "send", who, text: `hello ${who}`, isReply: false });
  // People write in bursts.
  const bursts = random.integer(1, 5);
  for (let burst = 0; burst < bursts; burst += 1) {
    const atMs = random.integer(0, lengthMs);
    const count = random.integer(2, 12);
    const spreadMs = random.pick([1, 50, 1_000]);
    for (let n = 0; n < count; n += 1) {
      const who = random.chance(0.95) ? random.pick(insiders) : random.integer(0, devices.length - 1);
      const action = drawAction(random, who, users, `${burst}.${n}`);
      steps.push({ atMs: atMs + random.integer(0, spreadMs) * n, ...action });
    }
  }
  const faults = random.integer(0, 5);
  for (let n = 0; n < faults; n += 1) {
    // Most are wanted while something is going on.
    const near =
      random.chance(0.7) && steps.length > 0 ? random.pick(steps).atMs : random.integer(0, lengthMs);
    steps.push({ atMs: near + random.integer(-5, 30), ...drawFault(random, devices.length) });
  }
  if (random.chance(0.05)) steps.push({ atMs: lengthMs, do: "end", who: 0 });
  // What Postgres refuses is in the object alone, and is lost with its storage: that is promised to nobody.
  if (steps.some((step) => step.do === "lose storage")) {
    for (const step of steps) if ("text" in step) step.text = step.text.replace(UNSTORABLE, "text");
  }
  return {
    seed,
    users,
    devices,
    participants,
    // A clock that is wrong by more than a token lives lets nobody in.
    tokenLifeMs:
      random.chance(0.15) && !steps.some((step) => step.do === "clock") ? random.integer(500, 20_000) : null,
    rateLimit: random.chance(0.2) ? { perSecond: 4, burst: 4 } : { perSecond: 20, burst: 40 },
    // Nothing is drawn for it, so that all else is as it would be without.
    disks: seed % 2 === 1,
    steps: steps.sort((a, b) => a.atMs - b.atMs),
  };
}

function drawAction(random: Random, who: number, users: string[], name: string): Action {
  const luck = random.next();
  const dice = random.next();
  if (dice < 0.03) return { do: "read", who, luck };
  if (dice < 0.06) return { do: "glance", who, luck };
  if (dice < 0.08) return { do: "react", who, luck };
  if (dice < 0.62) return { do: "send", who, text: textOf(random, name), isReply: random.chance(0.2) };
  if (dice < 0.66) return { do: "post", who, text: textOf(random, name) };
  if (dice < 0.74) return { do: "edit", who, luck, text: `edit ${name}` };
  if (dice < 0.81) return { do: "delete", who, luck, text: "" };
  if (dice < 0.85) return { do: "page", who, luck };
  if (dice < 0.87) return { do: "summary", who };
  if (dice < 0.89) return { do: "older", who };
  if (dice < 0.91) return { do: "reload", who };
  if (dice < 0.92) return { do: "away", who, forMs: random.pick([0, 30, 2_000, 60_000]) };
  // The first one stays, so that there is somebody to talk to.
  const target = random.pick(users.slice(1));
  if (dice < 0.945) return { do: "add", who: 0, target };
  if (dice < 0.97) return { do: "remove", who: random.chance(0.7) ? 0 : who, target };
  if (dice < 0.985) return { do: "promote", who: 0, target };
  return { do: "rename", who: 0, title: `title ${name}` };
}

/** Distinct in the run. A few hold what Postgres refuses. */
function textOf(random: Random, name: string): string {
  return random.chance(0.01) ? `${UNSTORABLE} ${name}` : `text ${name}`;
}

function drawFault(random: Random, devices: number): Fault {
  const who = random.integer(0, devices - 1);
  const forMs = random.pick([100, 1_000, 8_000, 30_000]) * (0.5 + random.next());
  switch (random.integer(0, 15)) {
    case 0:
      return { do: "tear", who, serverNoticesMs: random.pick([0, 1_000, 60_000]) };
    case 1:
      return { do: "offline", who, forMs };
    case 2: {
      const direction = random.pick(["up", "down", "both"] as const);
      return { do: "hold", who, direction, forMs, isForgotten: random.chance(0.5) };
    }
    case 3:
      return { do: "weather", who, weather: { latencyMs: random.pick([2, 500, 4_000]), echo: 0 }, forMs };
    case 4:
      return { do: "weather", who, weather: { latencyMs: 50, echo: 0.3 }, forMs };
    case 5:
    case 6:
      return { do: "crash", luck: random.next() };
    case 7:
    case 8:
      return { do: "crash in the middle", effects: random.integer(0, 40), luck: random.next() };
    case 14:
      return { do: "strand", who, forMs: random.integer(20_000, 60_000) };
    case 13:
      return { do: "freeze", who, forMs: random.pick([1, 10]) * forMs };
    case 9:
      return random.chance(0.5) ? { do: "deploy" } : { do: "evict" };
    case 10:
      return random.chance(0.3)
        ? { do: "lose storage" }
        : { do: "slow disk", flushMs: random.pick([50, 500]), forMs };
    case 11:
    case 12:
      return {
        do: "postgres",
        mood: random.pick(["down", "slow", "forgetful", "refusing", "late"] as const),
        forMs: random.chance(0.1) ? 600_000 : forMs,
      };
    default:
      return random.chance(0.3)
        ? { do: "alarm twice" }
        : {
            do: "clock",
            who: random.chance(0.5) ? null : who,
            skewMs: random.pick([-3_600_000, -1_000, 1_000, 3_600_000]),
          };
  }
}
