import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../simulation/random.ts";
import { BareService } from "../stack/bare-service.ts";
import type { NeonFault } from "../stack/neon-faults.ts";
import type { Stack } from "../stack/stack.ts";
import type { TcpProxy } from "../stack/tcp-proxy.ts";
import { armCommit, disarmCommit } from "./database.ts";
import { IMPATIENT } from "./device.ts";

/** What faults strike. */
export interface Target {
  service: Stack;
  /** The ways of those clients that a fault of the network strikes. */
  proxies: TcpProxy[];
  random: Random;
  /** Every process of the service has just ended, and has not been started again. */
  crashed: () => Promise<void>;
}

/** A fault while it lasts. */
export interface Fault {
  /** Resolves when it has really happened, to somebody. */
  happened: Promise<void>;
  /** Ends it. */
  heal: () => Promise<void> | void;
}

type Begin = (target: Target) => Promise<Fault> | Fault;

const done = Promise.resolve();
/** Longer than clients take to find out that a connection is silent, and to be live on another one. */
const NOTICED_AFTER_MS = IMPATIENT.heartbeat.everyMs + IMPATIENT.heartbeat.answerMs + 500;

/** Faults of processes: one at a time. */
export const PROCESS_FAULTS = {
  /** SIGKILL at a random instant. */
  kill: async ({ service, random, crashed }) => {
    await sleep(random.next() * 1_000);
    await service.kill();
    await crashed();
    await sleep(random.next() * 400);
    return { happened: done, heal: () => service.start() };
  },
  /** No new connections; open ones end a moment later, all at once. */
  deploy: async ({ service, random }) => {
    await sleep(random.next() * 1_000);
    await bare(service).retire(random.integer(100, 800));
    return { happened: done, heal: () => service.start() };
  },
} satisfies Record<string, Begin>;

/** Faults between clients and service. */
export const NETWORK_FAULTS = {
  cut: network((proxy) => proxy.cut()),
  black_hole: network((proxy) => proxy.silence()),
  black_hole_up: network((proxy) => proxy.hold("up")),
  black_hole_down: network((proxy) => proxy.hold("down")),
  delay: network((proxy, random) => proxy.slow({ delayMs: random.integer(20, 400) })),
  throttle: network((proxy, random) => proxy.slow({ bytesPerSecond: random.integer(2_000, 20_000) })),
  /** What was said on an old connection arrives after it was said again on a new one. */
  late,
  /** The service goes on talking to a client that is gone. */
  orphan_server: happening((proxy) => proxy.orphan("client") > 0),
  /** The client goes on talking to a service that is gone. */
  orphan_client: happening((proxy) => proxy.orphan("server") > 0),
  reset_up: signalled((proxy, random, tell) => proxy.resetIn("up", random.integer(1, 3_000), tell)),
  reset_down: signalled((proxy, random, tell) => proxy.resetIn("down", random.integer(1, 20_000), tell)),
  repeat: signalled((proxy, _random, tell) => proxy.repeatFrame(tell)),
} satisfies Record<string, Begin>;

/** Faults between the service and Postgres, and of Postgres: one at a time. */
export const POSTGRES_FAULTS = {
  postgres_killed: async ({ service }) => {
    await bare(service).killPostgres();
    return { happened: done, heal: () => bare(service).startPostgres() };
  },
  postgres_refuses: between({ kind: "refuse" }),
  postgres_unavailable: between({ kind: "unavailable" }),
  postgres_slow: between({ kind: "slow", delayMs: 1_500 }),
  answer_lost_after_commit: between({ kind: "lose_answer" }),
  commit_serialization_failure: failingCommit("40001"),
  commit_deadlock: failingCommit("40P01"),
} satisfies Record<string, Begin>;

/** Old connections are held while new ones pass, until the clients have noticed; then the old ones go on. */
async function late(target: Target): Promise<Fault> {
  const { happened, heal } = await happening((proxy) => proxy.strand() > 0)(target);
  return {
    happened,
    heal: async () => {
      await sleep(NOTICED_AFTER_MS);
      await heal();
    },
  };
}

/** A fault that has happened to whoever uses the network as soon as it is set. */
function network(set: (proxy: TcpProxy, random: Random) => void): Begin {
  return ({ proxies, random }) => {
    for (const proxy of proxies) set(proxy, random);
    return {
      happened: done,
      heal: () => {
        for (const proxy of proxies) proxy.mend();
      },
    };
  };
}

/** A fault that needs a connection to happen to. */
function happening(set: (proxy: TcpProxy) => boolean): Begin {
  return ({ proxies }) => {
    let isOver = false;
    const strike = async () => {
      for (let hasHappened = false; !hasHappened && !isOver; ) {
        for (const proxy of proxies) hasHappened = set(proxy) || hasHappened;
        if (!hasHappened) await sleep(50);
      }
    };
    return {
      happened: strike(),
      heal: () => {
        isOver = true;
        for (const proxy of proxies) proxy.mend();
      },
    };
  };
}

/** A fault that says when it happens. */
function signalled(set: (proxy: TcpProxy, random: Random, tell: () => void) => void): Begin {
  return ({ proxies, random }) => ({
    happened: new Promise((tell) => {
      for (const proxy of proxies) set(proxy, random, tell);
    }),
    heal: () => {
      for (const proxy of proxies) proxy.mend();
    },
  });
}

function between(fault: NeonFault): Begin {
  return ({ service }) => ({
    happened: new Promise((tell) => bare(service).neon.break(fault, tell)),
    heal: () => bare(service).neon.mend(),
  });
}

/** PostgreSQL itself refuses to commit, with this SQLSTATE, after every statement has succeeded. */
function failingCommit(sqlState: string): Begin {
  return async ({ service }) => {
    const url = await service.databaseUrl();
    const happened = new Promise<void>((tell) => bare(service).neon.onSqlState(sqlState, tell));
    await armCommit(url, sqlState);
    return { happened, heal: () => disarmCommit(url) };
  };
}

/** @throws when these faults are asked of a service that keeps its Postgres to itself */
function bare(service: Stack): BareService {
  if (service instanceof BareService) return service;
  throw new Error("This fault is only possible where workerd runs alone.");
}
