import type { Entry, FaultEntry, LogEntry, Row } from "../checker/history.ts";
import { Device } from "./device.ts";
import { hashOf, rowOf } from "./digest.ts";
import { Disk } from "./disk.ts";
import { Edge } from "./edge.ts";
import { Inboxes } from "./inboxes.ts";
import type { Connection } from "./network.ts";
import { type Lies, SimulatedObject } from "./object.ts";
import { type Fault, isFault, type Plan, type Step } from "./plan.ts";
import { SimulatedPostgres } from "./postgres.ts";
import { START_MS, World } from "./world.ts";

const CONVERSATION = "0193b0a0-0000-7000-8000-000000000001";
/** How long everybody may take to come to rest after everything is healed. */
const REST_LIMIT_MS = 600_000;
/** Longer than anything is under way. */
const FLIGHT_MS = 15_000;

/** Carries a plan out. The same plan gives the same history, line by line. */
export async function runPlan(plan: Plan, lies: Lies = {}, commit = ""): Promise<Entry[]> {
  const run = new Run(plan, lies, commit);
  try {
    return await run.play();
  } finally {
    run.close();
  }
}

class Run {
  readonly #plan: Plan;
  readonly #world: World;
  readonly #postgres: SimulatedPostgres;
  readonly #object: SimulatedObject;
  readonly #edge: Edge;
  readonly #inboxes: Inboxes;
  readonly #devices: Device[] = [];
  readonly #gone: Device[] = [];
  readonly #disks: Array<Disk | null> = [];
  /** Faults that have not happened yet. */
  readonly #due = new Set<string>();
  readonly #epochs = new Map<Connection, string>();
  readonly #synced = new Set<Connection>();
  #reloads = 0;
  #isHealed = false;
  /** Whether the conversation said, since all else is quiet, that every inbox knows everything. */
  #isTold = false;
  #isAsking = false;

  constructor(plan: Plan, lies: Lies, commit: string) {
    this.#plan = plan;
    this.#world = new World(plan.seed);
    plan.steps.forEach((step, index) => {
      if (isFault(step)) this.#due.add(faultId(step, index));
    });
    this.#world.record({
      kind: "run",
      run: `simulation-${plan.seed}`,
      layer: "simulation",
      commit,
      seed: plan.seed,
      faults: [...this.#due],
    });
    this.#postgres = new SimulatedPostgres(this.#world, CONVERSATION, plan.users.slice(0, plan.participants));
    this.#object = new SimulatedObject(
      this.#world,
      CONVERSATION,
      this.#postgres.forObject(),
      (user) => this.#inboxes.of(user),
      (connection, text) => this.#tap(connection, text),
      lies,
    );
    this.#object.rateLimit = plan.rateLimit;
    this.#edge = new Edge(this.#world, this.#object, this.#postgres);
    this.#edge.tokenLifeMs = plan.tokenLifeMs;
    this.#inboxes = new Inboxes(this.#world, this.#object, this.#postgres, CONVERSATION, plan.users);
    for (const [index, user] of plan.devices.entries()) {
      this.#disks.push(plan.disks ? new Disk(this.#world, plan.seed + index) : null);
      this.#devices.push(this.#start(index, user, `${user}-${index}`));
    }
  }

  async play(): Promise<Entry[]> {
    const world = this.#world;
    // Everybody has arrived before it begins, or has been told that they may not.
    await world.runUntil(START_MS + 1_000);
    this.#plan.steps.forEach((step, index) => {
      world.after(step.atMs, () => this.#take(step, index));
    });
    // A database that is away for ten minutes is away for ten minutes; everything else is healed with the last step.
    const ends = this.#plan.steps.map((step) => step.atMs + (step.do === "postgres" ? step.forMs : 0));
    await world.runUntil(world.now + Math.max(0, ...ends) + 50);
    this.#heal();
    const healedAt = world.now;
    // Whatever happened, it works again: everybody who is in has a last word.
    const hadRest = await world.runUntil(world.now + REST_LIMIT_MS, () => this.#isQuiet());
    for (const device of this.#devices) {
      if (device.handle.state.status !== "live") continue;
      for (const word of ["last", "very last"]) device.send(`${word} of ${device.name}`, null);
    }
    // Who writes has read anyway: only whoever reads afterwards shows whether that is kept.
    await world.runUntil(world.now + FLIGHT_MS);
    for (const [index, device] of this.#devices.slice(0, this.#plan.seed % 3).entries()) {
      const { status, last_message_id: head } = device.handle.state;
      if (status !== "live") continue;
      if ((this.#plan.seed + index) % 2 === 0) device.markRead(head);
      else device.glance(head);
    }
    const restBy = world.now + REST_LIMIT_MS;
    await world.runUntil(restBy, () => this.#isQuiet());
    // What is on the wire arrives; whoever still misses something then would miss it for ever.
    await world.runUntil(world.now + FLIGHT_MS);
    this.#isTold = false;
    const reached = (await world.runUntil(restBy + FLIGHT_MS, () => this.#isQuiet())) && hadRest;
    world.record({
      kind: "quiet",
      reached,
      waited_ms: Math.round(world.now - healedAt),
      limit_ms: REST_LIMIT_MS,
    });
    await this.#dump();
    return world.history;
  }

  close(): void {
    for (const device of [...this.#devices, ...this.#gone]) device.kill();
    this.#object.close();
  }

  #take(step: Step, index: number): void {
    if (isFault(step)) {
      this.#cause(step, faultId(step, index));
      return;
    }
    const device = this.#device(step.who);
    // Nobody looks at a frozen tab; it may be closed, though.
    if (device.isFrozen && step.do !== "reload") return;
    switch (step.do) {
      case "send":
        // An app that says "you were removed" has nowhere to write.
        if (device.handle.state.status === "closed") break;
        device.send(step.text, step.isReply ? (device.own.at(-1) ?? null) : null);
        break;
      case "post":
        device.post(step.text);
        break;
      case "edit":
      case "delete": {
        // Own messages; an admin's delete may mean anybody's.
        const candidates =
          step.do === "delete" && step.who === 0
            ? device.handle.state.messages.map(({ id }) => id)
            : device.own;
        const id = candidates[Math.floor(step.luck * candidates.length)];
        if (id === undefined) return;
        if (step.do === "edit") device.edit(id, step.text);
        else device.delete(id);
        break;
      }
      case "page": {
        const id = Math.floor(step.luck * (device.handle.state.last_message_id + 2));
        device.readPage(
          step.luck < 0.3
            ? { limit: 5 }
            : step.luck < 0.6
              ? { after_id: id, limit: 5 }
              : { before_id: Math.max(1, id), limit: 5 },
        );
        break;
      }
      case "read":
        // Most people read to the end.
        device.markRead(Math.floor(Math.min(1, step.luck * 2) * device.handle.state.last_message_id));
        break;
      case "glance":
        device.glance(Math.floor(Math.min(1, step.luck * 2) * device.handle.state.last_message_id));
        break;
      case "react": {
        const { messages } = device.handle.state;
        const message = messages[Math.floor(step.luck * messages.length)];
        if (message) device.react(message.id);
        break;
      }
      case "summary":
        device.readSummary();
        break;
      case "older":
        device.loadOlder();
        break;
      case "away":
        device.chat.disconnect();
        this.#world.after(step.forMs, () => device.connect());
        break;
      case "reload":
        this.#reload(step.who);
        break;
      case "rename":
        device.change("rename", { title: step.title });
        break;
      case "end":
        device.change("end", {});
        break;
      default:
        device.change(step.do, { target: step.target });
    }
  }

  #cause(fault: Fault, id: string): void {
    const world = this.#world;
    const mark = (phase: FaultEntry["phase"]): void => {
      if (phase === "fired") this.#due.delete(id);
      world.record({ kind: "fault", phase, fault: id, name: fault.do });
    };
    const during = (forMs: number, end: () => void): void => {
      mark("fired");
      world.after(forMs, () => {
        end();
        mark("healed");
      });
    };
    switch (fault.do) {
      case "tear":
        mark("fired");
        this.#device(fault.who).tear(fault.serverNoticesMs);
        break;
      case "offline": {
        const device = this.#device(fault.who);
        device.goOffline();
        during(fault.forMs, () => device.heal(false));
        break;
      }
      case "freeze": {
        const device = this.#device(fault.who);
        device.freeze();
        during(fault.forMs, () => device.thaw());
        break;
      }
      case "strand":
        during(fault.forMs, this.#device(fault.who).strand());
        break;
      case "hold": {
        const device = this.#device(fault.who);
        device.hold(fault.direction);
        during(fault.forMs, () => device.heal(fault.isForgotten));
        break;
      }
      case "weather": {
        const device = this.#device(fault.who);
        device.weather = fault.weather;
        during(fault.forMs, () => device.heal(false));
        break;
      }
      case "crash":
        mark("fired");
        this.#crash(fault.luck);
        break;
      case "crash in the middle":
        this.#whenPossible(
          () =>
            this.#object.crashAfter(fault.effects, () => {
              mark("fired");
              this.#crash(fault.luck);
            }),
          () => {
            if (this.#isHealed) this.#object.crashDue();
          },
        );
        break;
      case "deploy":
        mark("fired");
        this.#object.deploy();
        this.#edge.crash();
        this.#inboxes.lose();
        break;
      case "evict":
        this.#whenPossible(
          () => this.#object.evict(),
          () => mark("fired"),
        );
        break;
      case "lose storage":
        this.#whenPossible(
          () => this.#loseStorage(),
          () => mark("fired"),
        );
        break;
      case "postgres":
        this.#postgres.mood = fault.mood;
        during(fault.forMs, () => {
          this.#postgres.mood = "well";
        });
        break;
      case "slow disk":
        this.#object.flushMs = fault.flushMs;
        during(fault.forMs, () => {
          this.#object.flushMs = 4;
        });
        break;
      case "alarm twice":
        mark("fired");
        this.#object.repeatAlarm();
        break;
      case "clock":
        mark("fired");
        if (fault.who === null) {
          this.#object.setClock(fault.skewMs);
          this.#inboxes.setClock();
        } else this.#device(fault.who).clockSkewMs = fault.skewMs;
    }
  }

  /** Everything that runs for the service dies at once. */
  #crash(luck: number): void {
    this.#object.crash(luck);
    this.#edge.crash();
    this.#inboxes.lose();
    this.#epochs.clear();
    this.#world.record({ kind: "crash" });
    this.#dumpLog();
  }

  /** A disaster takes storage; nothing can be promised of what was not in Postgres yet, so it waits for that. */
  #loseStorage(): boolean {
    const log = this.#readLog();
    if (log && (!this.#isDrained(log.rows) || this.#hasUndrainedPositions())) return false;
    if (!this.#object.loseStorage()) return false;
    this.#edge.crash();
    this.#inboxes.lose();
    return true;
  }

  /** Whether the storage knows of read positions that Postgres may not have. */
  #hasUndrainedPositions(): boolean {
    const { sql } = this.#object.storage;
    const rows = sql.exec<{ state: string }>("select state from participants").toArray();
    if (rows.some(({ state }) => JSON.parse(state).isUndrained === true)) return true;
    const tables = sql.exec("select 1 from sqlite_master where name = 'positions'").toArray();
    const positions =
      tables.length === 0 ? [] : sql.exec<{ state: string }>("select state from positions").toArray();
    return positions.some(({ state }) => {
      const { reads } = JSON.parse(state) as { reads: Record<string, [id: number, isUndrained: 0 | 1]> };
      return Object.values(reads).some(([, isUndrained]) => isUndrained === 1);
    });
  }

  #whenPossible(attempt: () => boolean, done: () => void = () => undefined): void {
    if (attempt()) done();
    else this.#world.after(200, () => this.#whenPossible(attempt, done));
  }

  #reload(who: number): void {
    const old = this.#device(who);
    old.kill();
    this.#gone.push(old);
    this.#reloads += 1;
    const name = `${old.user}-${who}-${this.#reloads}`;
    this.#devices[who] = this.#start(who, old.user, name);
  }

  #start(who: number, user: string, name: string): Device {
    return new Device(this.#world, this.#edge, CONVERSATION, user, name, this.#disks[who] ?? null);
  }

  #heal(): void {
    this.#isHealed = true;
    this.#postgres.mood = "well";
    this.#object.flushMs = 4;
    this.#object.crashDue();
    this.#edge.tokenLifeMs = null;
    this.#inboxes.heal();
    for (const device of this.#devices) {
      device.heal(false);
      device.thaw();
    }
  }

  #isQuiet(): boolean {
    if (!this.#isQuietBesides()) this.#isTold = false;
    else if (!this.#isTold) void this.#askIfTold();
    return this.#isTold;
  }

  /** Asks the conversation whether every inbox knows everything: only it knows what it still wants to say. */
  async #askIfTold(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const state = await this.#object.call((core) => core.inspect());
      this.#isTold = state.ok ? state.value.told : state.error.code === "CONVERSATION_NOT_FOUND";
    } catch {
      // It died on the way, and is asked again.
    }
    if (!this.#isTold) await this.#world.pause(500);
    this.#isAsking = false;
  }

  /** Whether all but the notices to inboxes has come to rest. */
  #isQuietBesides(): boolean {
    if (this.#postgres.isDeleted) this.#inboxes.end();
    if (!this.#inboxes.isQuiet) return false;
    if (this.#due.size > 0 || !this.#postgres.isQuiet) return false;
    if (this.#object.storage.written > this.#object.storage.durable) return false;
    for (const device of this.#devices) {
      const { status } = device.handle.state;
      const takesPart = this.#postgres.participants.has(device.user) && !this.#postgres.isDeleted;
      // Somebody who was removed and added again opens the conversation again.
      if (takesPart && (status === "closed" || status === "disconnected")) device.connect();
      if (device.undecided > 0 || status !== (takesPart ? "live" : "closed")) return false;
    }
    const log = this.#readLog();
    return !log || this.#isDrained(log.rows);
  }

  // The record

  /** What leaves the service, in the moment it does. */
  #tap(connection: Connection, text: string): void {
    const { client, user, asked } = connection;
    const names = { client, user, conversation: CONVERSATION };
    for (const event of [JSON.parse(text)].flat()) {
      if (event.type === "ready") {
        this.#epochs.set(connection, event.epoch);
        const { me } = event.conversation;
        this.#world.record({
          kind: "count",
          asked,
          ...names,
          via: "ready",
          head: event.last_message_id,
          seq: event.seq,
          last_read_id: me.last_read_id,
          unread: me.unread_count,
        });
        for (const { user_id: reader, last_read_id } of event.participants) {
          const head = event.last_message_id;
          this.#world.record({ kind: "position", at: "server", asked, ...names, reader, last_read_id, head });
        }
      }
      if (event.type === "synced") this.#synced.add(connection);
      for (const message of event.messages ?? (event.message ? [event.message] : [])) {
        const { id, seq, sender, temp_id, hash } = rowOf(message);
        this.#world.record({
          kind: "seen",
          at: "server",
          asked,
          via: this.#synced.has(connection) ? "live" : "replay",
          ...names,
          epoch: this.#epochs.get(connection) ?? null,
          id,
          seq,
          sender,
          temp_id,
          hash,
        });
      }
    }
  }

  async #dump(): Promise<void> {
    this.#dumpLog();
    const { head, seq, title, participants, messages, poison } = this.#postgres;
    this.#world.record({
      kind: "postgres",
      conversation: CONVERSATION,
      head,
      seq,
      title,
      participants: [...participants.values()].map(({ user_id: user, last_read_id }) => ({
        user,
        last_read_id,
      })),
      rows: [...messages.values()].map(({ message }) => rowOf(message)).sort((a, b) => a.id - b.id),
      poison: [...poison],
    });
    for (const device of this.#devices) device.dump();
    let left = this.#devices.length + 1;
    void this.#inboxes.dump().then(() => {
      left -= 1;
    });
    for (const device of this.#devices) {
      void device.dumpFresh().then(() => {
        left -= 1;
      });
    }
    await this.#world.runUntil(this.#world.now + REST_LIMIT_MS, () => left === 0);
  }

  #dumpLog(): void {
    const log = this.#readLog();
    if (log) this.#world.record({ kind: "log", conversation: CONVERSATION, ...log });
  }

  /** Whether Postgres has all of it, or has refused it. */
  #isDrained(rows: readonly Row[]): boolean {
    const { messages, poison } = this.#postgres;
    return rows.every(({ id, seq }) => messages.get(id)?.message.seq === seq || poison.has(id));
  }

  /** The object's tables, read past the object. */
  #readLog(): Pick<LogEntry, "epoch" | "floor" | "head" | "seq" | "rows"> | null {
    const { sql } = this.#object.storage;
    const tables = sql.exec("select 1 from sqlite_master where name = 'participants'").toArray();
    const states =
      tables.length === 0 ? [] : sql.exec<{ state: string }>("select state from conversation").toArray();
    if (!states[0]) return null;
    const state = JSON.parse(states[0].state);
    const rows = sql
      .exec<{ id: number; seq: number; sender_id: string; temp_id: string; body: string | null }>(
        "select id, seq, sender_id, temp_id, body from messages order by id",
      )
      .toArray()
      .map(({ id, seq, sender_id: sender, temp_id, body }) => ({
        id,
        seq,
        sender,
        temp_id,
        hash: body === null ? null : hashOf(JSON.parse(body)),
      }));
    return {
      epoch: state.epoch,
      floor: state.floor,
      head: Math.max(state.baseHead, rows.at(-1)?.id ?? 0),
      seq: Math.max(state.baseSeq, ...rows.map(({ seq }) => seq)),
      rows,
    };
  }

  #device(who: number): Device {
    const device = this.#devices[who % this.#devices.length];
    if (!device) throw new Error("There is no device.");
    return device;
  }
}

const faultId = (fault: Fault, index: number): string => `${index} ${fault.do}`;
