import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../simulation/random.ts";
import type { Stack } from "../stack/stack.ts";
import type { TcpProxy } from "../stack/tcp-proxy.ts";
import type { Crowd } from "./crowd.ts";
import { type Fault, NETWORK_FAULTS, POSTGRES_FAULTS, PROCESS_FAULTS } from "./fault-kinds.ts";
import type { PlannedFault, Round } from "./plan.ts";
import { dumpLogs } from "./quiet.ts";
import type { Recorder } from "./recorder.ts";

const KINDS = { ...PROCESS_FAULTS, ...NETWORK_FAULTS, ...POSTGRES_FAULTS };
/** A fault that has not happened by then never does, and the run proves nothing. */
const HAPPENS_WITHIN_MS = 20_000;
/** Before the next round, somebody has to be answered. */
const SENDS_BETWEEN_ROUNDS = 100;

/** Makes faults happen, and records when. */
export class Battle {
  readonly counts = { kills: 0, faults: {} as Record<string, number> };
  readonly #service: Stack;
  readonly #crowd: Crowd;
  readonly #recorder: Recorder;
  readonly #random: Random;
  readonly #proxies: readonly TcpProxy[];

  /** @param proxies the ways that faults of the network strike */
  constructor(
    service: Stack,
    crowd: Crowd,
    recorder: Recorder,
    random: Random,
    proxies: readonly TcpProxy[],
  ) {
    this.#proxies = proxies;
    this.#service = service;
    this.#crowd = crowd;
    this.#recorder = recorder;
    this.#random = random;
  }

  /** All faults of a round, each at its time; resolves when they are healed and somebody was answered again. */
  async fight(round: Round): Promise<void> {
    const struck = this.#strike(round.filter(({ name }) => name in NETWORK_FAULTS));
    await Promise.all(round.map((planned) => this.#happen(planned, struck.get(planned.id) ?? [])));
    const before = this.#crowd.acknowledged;
    while (this.#crowd.acknowledged < before + SENDS_BETWEEN_ROUNDS) await sleep(20);
  }

  async #happen({ id, name, afterMs, lastsMs }: PlannedFault, proxies: TcpProxy[]): Promise<void> {
    const begin = KINDS[name as keyof typeof KINDS];
    await sleep(afterMs);
    const fault = await begin({
      service: this.#service,
      proxies,
      random: new Random(this.#random.fork()),
      crashed: () => this.#crashed(),
    });
    if (await happens(fault)) {
      this.#recorder.write({ kind: "fault", phase: "fired", fault: id, name });
      this.counts.faults[name] = (this.counts.faults[name] ?? 0) + 1;
      if (name === "kill") this.counts.kills += 1;
    }
    await sleep(lastsMs);
    await fault.heal();
    this.#recorder.write({ kind: "fault", phase: "healed", fault: id, name });
  }

  /** Gives each fault of the network ways that no other strikes, because one would heal the other. */
  #strike(faults: Round): Map<string, TcpProxy[]> {
    const free = [...this.#proxies];
    return new Map(
      faults.map(({ id, share }, index) => {
        const isLast = index === faults.length - 1;
        const most = isLast ? free.length : free.length / 2;
        const count = Math.max(1, Math.floor(Math.min(free.length * share, most)));
        return [
          id,
          Array.from({ length: count }, () =>
            free.splice(this.#random.integer(0, free.length - 1), 1),
          ).flat(),
        ];
      }),
    );
  }

  /** What was seen before is in the log after it (I12): one conversation of each crash is looked at. */
  async #crashed(): Promise<void> {
    this.#recorder.write({ kind: "crash" });
    const { id } = this.#random.pick(this.#crowd.talks);
    await dumpLogs(this.#recorder, this.#service, new Set([id]));
  }
}

async function happens({ happened }: Fault): Promise<boolean> {
  const abort = new AbortController();
  const late = sleep(HAPPENS_WITHIN_MS, false, { signal: abort.signal }).catch(() => false);
  const hasHappened = await Promise.race([happened.then(() => true), late]);
  abort.abort();
  return hasHappened;
}
