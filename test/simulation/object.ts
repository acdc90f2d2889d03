import {
  ConversationCore,
  type ConversationHost,
  type ConversationPostgres,
} from "../../durable-objects/conversation-core.ts";
import type { Caller } from "../../durable-objects/door.ts";
import { receiveFrame } from "../../durable-objects/receive-frame.ts";
import type { InboxRpc } from "../../durable-objects/rpc.ts";
import { closeCodeOf, type SessionAttachment, type SessionSocket } from "../../durable-objects/sessions.ts";
import { checkCommand } from "../../protocol/frames.ts";
import type { Connection, ServerEnd } from "./network.ts";
import { ObjectStorage } from "./object-storage.ts";
import type { World } from "./world.ts";

/** Ways in which this platform may lie, to see that the checker notices. None in a real run. */
export interface Lies {
  /** What is said leaves before what it speaks of is durable. */
  isHasty?: boolean;
  /** A crash may take writes that were called durable. */
  isForgetful?: boolean;
}

type InboxOf = (userId: string) => Pick<InboxRpc, "notify">;

/** The end of an instance, thrown into whatever it was doing. */
class InstanceEnded extends Error {
  override name = "InstanceEnded";
}

class ServerSocket implements SessionSocket {
  readonly connection: Connection;
  readonly #emit: (release: () => void) => void;
  attachment: SessionAttachment | null = null;
  /** When the other end last said `ping`, by the clock of the object; null for never. */
  heardAt: number | null = null;
  isClosed = false;
  /** What happens once the gate lets it out. */
  sent: ((text: string) => void) | null = null;
  closed: ((code: number) => void) | null = null;

  constructor(connection: Connection, emit: (release: () => void) => void) {
    this.connection = connection;
    this.#emit = emit;
  }

  send(text: string): void {
    if (this.isClosed) throw new Error("The socket is closed.");
    this.#emit(() => this.sent?.(text));
  }

  serializeAttachment(attachment: SessionAttachment): void {
    this.attachment = attachment;
  }

  close(code: number, _reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#emit(() => this.closed?.(code));
  }
}

/** What runs between a construction and its end: by eviction, crash or deploy. */
interface Instance {
  core: ConversationCore<ServerSocket>;
  isAlive: boolean;
  /** Host calls and RPCs that have not been answered. */
  waiting: number;
  ended: Array<() => void>;
}

/** Cloudflare's documentation, "Lifecycle of a Durable Object": after 10 seconds without an event. */
const HIBERNATES_AFTER_MS = 10_000;
/** A place where the object may die: after so many more of its effects. */
const NEVER = Number.POSITIVE_INFINITY;

/**
 * A Durable Object as the platform runs it: one instance at a time, storage that becomes durable later, an output gate
 * that holds back whatever is said until then, alarms at least once, sockets that outlive an eviction.
 */
export class SimulatedObject implements ServerEnd {
  readonly storage: ObjectStorage;
  /** Added to this object's clock, milliseconds. */
  clockSkewMs = 0;
  /** Longest time until a write is durable. */
  flushMs = 4;
  rateLimit = { perSecond: 20, burst: 40 };
  readonly #world: World;
  readonly #id: string;
  readonly #postgres: ConversationPostgres;
  readonly #inbox: InboxOf;
  readonly #lies: Lies;
  readonly #tap: (connection: Connection, text: string) => void;
  #instance: Instance | null = null;
  #sockets = new Map<Connection, ServerSocket>();
  #outputs: Array<{ gate: number; release: () => void }> = [];
  #isFlushing = false;
  #cancelAlarm: () => void = () => undefined;
  #alarmAt: number | null = null;
  /** When alarms were to go off by the clock they were set with, by their times. */
  readonly #alarmsDueAt = new Map<number, number>();
  #effectsLeft = NEVER;
  #died: (() => void) | null = null;
  #ids = 0;
  #usedAt = 0;
  /** Between the death of an instance and the end of its process, at the same instant. */
  #isDying = false;

  /** @param tap called with each frame as it leaves for a socket */
  constructor(
    world: World,
    id: string,
    postgres: ConversationPostgres,
    inbox: InboxOf,
    tap: (connection: Connection, text: string) => void,
    lies: Lies = {},
  ) {
    this.#world = world;
    this.#id = id;
    this.#postgres = postgres;
    this.#inbox = inbox;
    this.#tap = tap;
    this.#lies = lies;
    this.storage = new ObjectStorage(() => this.#flushSoon());
  }

  get isRunning(): boolean {
    return this.#instance !== null;
  }

  /** What the clock of its machine says, Unix milliseconds. */
  get now(): number {
    return this.#world.now + this.clockSkewMs;
  }

  // What reaches it

  /** A request for a WebSocket. */
  async connect(
    connection: Connection,
    caller: Caller,
    options: {
      expiresAt: number | null;
      clientId: string | null;
      since?: number | undefined;
      epoch?: string | undefined;
    },
  ): Promise<void> {
    const socket = this.#socket(connection);
    connection.attach(this);
    this.#sockets.set(connection, socket);
    try {
      const instance = this.#wake();
      const admitted = await this.#inside(instance, (core) =>
        core.connect(socket, caller, options, (attachment) => {
          socket.attachment = attachment;
          this.#emit(instance, () => connection.serverOpens());
        }),
      );
      if (admitted.ok) return;
      this.#emit(instance, () => connection.serverOpens());
      socket.close(closeCodeOf(admitted.error), "");
    } catch {
      this.#sockets.delete(connection);
      connection.cut(0);
    }
  }

  received(connection: Connection, text: string): void {
    const socket = this.#sockets.get(connection);
    if (!socket || socket.isClosed) return;
    unlessEnded(() => receiveFrame(this.#wake().core, checkCommand, socket, text));
  }

  pinged(connection: Connection): void {
    const socket = this.#sockets.get(connection);
    if (socket) socket.heardAt = this.now;
  }

  closed(connection: Connection): void {
    const socket = this.#sockets.get(connection);
    this.#sockets.delete(connection);
    if (!socket || socket.isClosed) return;
    socket.isClosed = true;
    unlessEnded(() => this.#wake().core.disconnect(socket));
  }

  /** A call of the Worker. Rejects when the instance ends before its answer has left. */
  async call<T>(run: (core: ConversationCore<ServerSocket>) => Promise<T>): Promise<T> {
    const instance = this.#wake();
    const value = await this.#inside(instance, run);
    return new Promise<T>((resolve, reject) => {
      instance.ended.push(() => reject(new InstanceEnded()));
      this.#emit(instance, () => resolve(value));
    });
  }

  // What happens to it

  /** Dies at once; sockets are torn. @param luck how much of what is not durable survives, 0 to 1 */
  crash(luck: number): void {
    this.#isDying = false;
    this.#end();
    if (this.#lies.isForgetful) this.storage.recover(-1);
    else this.storage.recover(luck);
    this.#outputs = [];
    this.#tearSockets();
    this.#planAlarm(this.storage.alarm);
  }

  /** Dies in the middle of what it does, after so many more effects. False if that is already to happen. */
  crashAfter(effects: number, died: () => void): boolean {
    if (this.#died) return false;
    this.#effectsLeft = effects;
    this.#died = died;
    return true;
  }

  /** A death that is still to come comes now. */
  crashDue(): void {
    this.#world.after(0, () => this.#takeDeath()?.());
  }

  /** Ends between two events with everything stored, as a deploy does. */
  deploy(): void {
    this.#end();
    this.storage.flush(this.storage.written);
    this.#pump();
    this.#outputs = [];
    this.#tearSockets();
  }

  /** Goes to sleep if it has been idle for long: its memory is gone, its sockets are not. @returns whether it did */
  evict(): boolean {
    const isIdle = this.#isIdle && this.#world.now - this.#usedAt >= HIBERNATES_AFTER_MS;
    if (isIdle) this.#end();
    return isIdle;
  }

  get #isIdle(): boolean {
    return (this.#instance?.waiting ?? 0) === 0 && this.storage.durable === this.storage.written;
  }

  /** Begins with empty storage, as if a disaster had taken it while it was idle. @returns whether it did */
  loseStorage(): boolean {
    if (!this.#isIdle) return false;
    this.crash(1);
    this.storage.lose();
    this.#planAlarm(null);
    return true;
  }

  /** An alarm that is due by the new clock goes off; one that is further away by it keeps its time. */
  setClock(skewMs: number): void {
    const isForward = skewMs > this.clockSkewMs;
    this.clockSkewMs = skewMs;
    const timeMs = this.#alarmAt;
    this.#alarmAt = isForward ? null : timeMs;
    this.#planAlarm(timeMs);
  }

  /** Another run of the alarm, as the platform may do. */
  repeatAlarm(): void {
    void this.#runAlarm();
  }

  close(): void {
    this.#end();
    this.storage.close();
  }

  // The platform

  #wake(): Instance {
    if (this.#isDying) throw new InstanceEnded();
    this.#usedAt = this.#world.now;
    this.#instance ??= this.#construct();
    return this.#instance;
  }

  #construct(): Instance {
    const instance: Instance = { core: null as never, isAlive: true, waiting: 0, ended: [] };
    instance.core = new ConversationCore<ServerSocket>(this.#hostOf(instance), this.#id);
    instance.core.restoreAlarm(this.storage.alarm);
    for (const socket of this.#sockets.values())
      if (!socket.isClosed && socket.attachment) instance.core.restore(socket, socket.attachment);
    return instance;
  }

  #hostOf(instance: Instance): ConversationHost<ServerSocket> {
    const { storage } = this;
    /** Counts an effect, and says whether the instance is still there to have it. */
    const lives = (): boolean => {
      if (instance.isAlive) this.#effectsLeft -= 1;
      if (this.#effectsLeft < 0 && instance.isAlive) this.#die(instance);
      return instance.isAlive;
    };
    const mustLive = (): void => {
      if (!lives()) throw new InstanceEnded();
    };
    const outside = <T>(ask: () => Promise<T>): Promise<T> => {
      if (!lives()) return new Promise(() => undefined);
      instance.waiting += 1;
      return new Promise((resolve, reject) => {
        const answer = (settle: () => void): void => {
          instance.waiting -= 1;
          if (lives()) settle();
        };
        // Requests wait for the output gate, too.
        this.#emit(instance, () => {
          ask().then(
            (value) => answer(() => resolve(value)),
            (error) => answer(() => reject(error)),
          );
        });
      });
    };
    const postgres = this.#postgres;
    const inbox = this.#inbox;
    return {
      sql: {
        exec: (query, ...bindings) => {
          mustLive();
          return storage.sql.exec(query, ...bindings);
        },
      },
      transaction: (work) => {
        mustLive();
        return storage.transaction(work);
      },
      sync: () => outside(() => Promise.resolve()),
      erase: async () => {
        if (lives()) storage.erase();
      },
      setAlarm: (timeMs) => {
        if (!lives()) return;
        storage.setAlarm(timeMs);
        this.#alarmsDueAt.set(timeMs, this.#world.now + timeMs - this.now);
      },
      now: () => this.now,
      random: () => this.#world.random.next(),
      pause: (ms) => outside(() => this.#world.pause(ms)),
      newId: () => {
        this.#ids += 1;
        return `id-${this.#ids}`;
      },
      postgres: {
        loadSnapshot: (sinceVersion, forUser) => outside(() => postgres.loadSnapshot(sinceVersion, forUser)),
        readNewest: (limit, beforeId) => outside(() => postgres.readNewest(limit, beforeId)),
        readUncounted: (beforeId) => outside(() => postgres.readUncounted(beforeId)),
        readByIds: (ids) => outside(() => postgres.readByIds(ids)),
        readByTempIds: (keys) => outside(() => postgres.readByTempIds(keys)),
        write: (batch) => outside(() => postgres.write(batch)),
        report: (stored, refusal) => outside(() => postgres.report(stored, refusal)),
        onlineAmong: (userIds) => outside(() => postgres.onlineAmong(userIds)),
      },
      inbox: (userId) => ({ notify: (notice) => outside(() => inbox(userId).notify(notice)) }),
      heardAt: ({ heardAt }) => heardAt,
      authenticate: () => outside(() => Promise.resolve({ ok: false, reason: "invalid" })),
      rateLimit: this.rateLimit,
      addressRateLimit: this.rateLimit,
      note: () => undefined,
    };
  }

  /** Runs a call on an instance; rejects when the instance ends first. */
  async #inside<T>(
    instance: Instance,
    run: (core: ConversationCore<ServerSocket>) => Promise<T>,
  ): Promise<T> {
    instance.waiting += 1;
    try {
      return await new Promise<T>((resolve, reject) => {
        instance.ended.push(() => reject(new InstanceEnded()));
        run(instance.core).then(resolve, reject);
      });
    } finally {
      instance.waiting -= 1;
    }
  }

  #die(instance: Instance): void {
    instance.isAlive = false;
    this.#isDying = true;
    const { written } = this.storage;
    // What was said in this turn waited for what it wrote.
    if (this.storage.forgetTurn()) this.#outputs = this.#outputs.filter(({ gate }) => gate < written);
    const died = this.#takeDeath();
    // The rest of this turn still runs, and has no effect; then the process is gone.
    this.#world.after(0, () => died?.());
  }

  #takeDeath(): (() => void) | null {
    const died = this.#died;
    this.#effectsLeft = NEVER;
    this.#died = null;
    return died;
  }

  #end(): void {
    const instance = this.#instance;
    this.#instance = null;
    if (!instance) return;
    instance.isAlive = false;
    for (const tell of instance.ended) tell();
  }

  #tearSockets(): void {
    const connections = [...this.#sockets.keys()];
    for (const socket of this.#sockets.values()) socket.isClosed = true;
    this.#sockets.clear();
    for (const connection of connections) connection.cut(0);
  }

  #socket(connection: Connection): ServerSocket {
    const socket: ServerSocket = new ServerSocket(connection, (release) => {
      if (this.#instance) this.#emit(this.#instance, release);
    });
    socket.sent = (text) => {
      this.#tap(connection, text);
      connection.serverSends(text);
    };
    socket.closed = (code) => {
      this.#sockets.delete(connection);
      connection.serverCloses(code);
    };
    return socket;
  }

  // Storage and what waits for it

  #emit(instance: Instance, release: () => void): void {
    if (!instance.isAlive) return;
    this.#outputs.push({ gate: this.#lies.isHasty ? 0 : this.storage.written, release });
    this.#pump();
  }

  #pump(): void {
    for (;;) {
      const next = this.#outputs[0];
      if (!next || next.gate > this.storage.durable) return;
      this.#outputs.shift();
      next.release();
    }
  }

  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const { storage } = this;
    this.#world.after(this.#world.delay(0.1, this.flushMs), () => {
      this.#isFlushing = false;
      storage.flush(storage.written);
      this.#planAlarm(storage.alarm);
      this.#pump();
    });
  }

  #planAlarm(timeMs: number | null): void {
    if (timeMs === this.#alarmAt) return;
    this.#alarmAt = timeMs;
    this.#cancelAlarm();
    if (timeMs === null) return;
    const dueAt = Math.min(
      timeMs - this.clockSkewMs,
      this.#alarmsDueAt.get(timeMs) ?? Number.POSITIVE_INFINITY,
    );
    const delayMs = Math.max(0, dueAt - this.#world.now);
    this.#cancelAlarm = this.#world.after(delayMs + this.#world.delay(0, 200), () => {
      this.#alarmAt = null;
      void this.#runAlarm();
    });
  }

  async #runAlarm(): Promise<void> {
    try {
      const instance = this.#wake();
      const due = this.storage.takeAlarm();
      await this.#inside(instance, (core) => core.wake());
      if (instance.isAlive) this.storage.finishAlarm(due);
    } catch {
      // It died on the way: what storage says of the alarm is tried again.
    }
  }
}

/** What an instance that died on the way would have thrown concerns nobody. */
function unlessEnded(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof InstanceEnded)) throw error;
  }
}
