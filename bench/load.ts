import { setTimeout as sleep } from "node:timers/promises";
import type { Contender, Line, Resume } from "./contenders/contender.ts";
import { type Frame, FrameReader, tempIdOf } from "./frames.ts";
import { Histogram } from "./statistics.ts";

export interface Round {
  seconds: number;
  /** Messages whose sender has seen its own event. */
  acks: number;
  /** Events that arrived at any socket, one for each message and socket. */
  delivered: number;
  frames: number;
  /** Milliseconds from the intended moment of sending to the own event. */
  ack: Histogram;
  /** Milliseconds from the intended moment of sending to each event anywhere. Empty in a closed loop. */
  delivery: Histogram;
  /** Milliseconds by which the generator itself sent late: they are part of the two above. */
  lateness: Histogram;
  /** Events that came after a later one; only where the contender promises no order. */
  overtaken: number;
  /** Share of the time that the generator's thread was busy: near 1, it measures itself. */
  generatorBusy: number;
}

/** A contender delivered something wrong: the run fails, whatever the flags. */
export class WrongResultError extends Error {
  override name = "WrongResultError";
}

export interface Group {
  conversationId: string;
  users: string[];
  /** How many of the users send. */
  senders: number;
}

interface Conversation {
  id: string;
  members: Member[];
  sent: number;
}

interface Member {
  index: number;
  conversation: Conversation;
  userId: string;
  line: Line | null;
  isConnected: boolean;
  received: number;
  /** Newest id that arrived. */
  newestId: number;
  /** Which messages arrived, by number; only where no order is promised. */
  seen: Uint8Array;
}

const TEXT = "Shall we meet at the station at half past seven? I'll book the table.";
/** Without any event: a slow server is waited for, one that owes something is not. */
const STALL_MS = 30_000;
const CONNECTING_AT_ONCE = 20;
let loads = 0;

/**
 * Participants of conversations, some of whom send, and what each of them got: where order is promised, ids 1, 2, 3, …
 * in this order; otherwise each message once. Nothing is parsed that was parsed before.
 */
export class Load {
  readonly contender: Contender;
  readonly #prefix: string;
  readonly #reader: FrameReader;
  readonly #conversations: Conversation[] = [];
  readonly #members: Member[] = [];
  readonly #senders: Member[] = [];
  /** Of each message by its number: who sent it, when it was meant to leave, which id it got. */
  readonly #owner: number[] = [];
  readonly #intendedAt: number[] = [];
  readonly #idOf: number[] = [];
  #mode: "idle" | "closed" | "open" = "idle";
  #acks = 0;
  #delivered = 0;
  #frames = 0;
  #overtaken = 0;
  #ack = new Histogram();
  #delivery = new Histogram();
  #lateness = new Histogram();
  #wrong: string | null = null;

  static async connect(contender: Contender, groups: Group[]): Promise<Load> {
    const load = new Load(contender);
    for (const { conversationId, users, senders } of groups) {
      const conversation: Conversation = { id: conversationId, members: [], sent: 0 };
      load.#conversations.push(conversation);
      for (const userId of users) {
        const member: Member = {
          index: load.#members.length,
          conversation,
          userId,
          line: null,
          isConnected: false,
          received: 0,
          newestId: 0,
          seen: new Uint8Array(0),
        };
        load.#members.push(member);
        conversation.members.push(member);
        if (conversation.members.length <= senders) load.#senders.push(member);
      }
    }
    // In turn, the conversations alternate.
    const rank = ({ index, conversation }: Member): number => index - (conversation.members[0]?.index ?? 0);
    load.#senders.sort((a, b) => rank(a) - rank(b) || a.index - b.index);
    for (let first = 0; first < load.#members.length; first += CONNECTING_AT_ONCE)
      await Promise.all(
        load.#members.slice(first, first + CONNECTING_AT_ONCE).map((member) => load.#connect(member)),
      );
    return load;
  }

  private constructor(contender: Contender) {
    this.contender = contender;
    loads += 1;
    this.#prefix = `b${process.pid}.${loads}`;
    this.#reader = new FrameReader(this.#prefix);
  }

  /** Messages sent since the beginning. */
  get sent(): number {
    return this.#owner.length;
  }

  /** Messages acknowledged since the beginning. */
  get acks(): number {
    return this.#acks;
  }

  get conversationIds(): string[] {
    return this.#conversations.map(({ id }) => id);
  }

  /**
   * Each sender keeps `inFlight` messages on their way. Counts for `seconds` after a warm-up, then waits until all that
   * was sent has arrived.
   *
   * @throws {WrongResultError} when anything did not arrive as promised
   */
  async closedLoop(options: { inFlight: number; seconds: number; warmupSeconds: number }): Promise<Round> {
    this.#mode = "closed";
    for (const sender of this.#senders)
      for (let count = 0; count < options.inFlight; count += 1) this.#send(sender, performance.now());
    await sleep(options.warmupSeconds * 1000);
    const finish = this.#begin();
    await sleep(options.seconds * 1000);
    const round = finish();
    this.#mode = "idle";
    await this.settle();
    return round;
  }

  /**
   * Sends at a fixed rate in all, the senders in turn, whatever comes back: a server that stalls is not spared what
   * would have been sent meanwhile. Times count from the moment a message was due.
   *
   * @throws {WrongResultError} when anything did not arrive as promised
   */
  async openLoop(options: { perSecond: number; seconds: number; warmupSeconds?: number }): Promise<Round> {
    const { perSecond, seconds, warmupSeconds = 0 } = options;
    this.#mode = "open";
    const from = performance.now();
    const warmup = Math.round(perSecond * warmupSeconds);
    const total = warmup + Math.round(perSecond * seconds);
    let finish = this.#begin();
    for (let count = 0; count < total; ) {
      const dueAt = from + (count * 1000) / perSecond;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) {
        await sleep(waitMs);
        continue;
      }
      if (count === warmup) finish = this.#begin();
      const sender = this.#senders[count % this.#senders.length];
      if (sender) this.#send(sender, dueAt);
      count += 1;
      // What has arrived is read in between, even when the generator is behind.
      if (count % 32 === 0) await new Promise(setImmediate);
    }
    await sleep(Math.max(0, from + (warmupSeconds + seconds) * 1000 - performance.now()));
    // What was due within the time and came after it counts as delivered late, not within.
    const round = finish();
    await this.settle();
    this.#mode = "idle";
    // Latencies of what came later belong to this round: leaving them out would flatter a slow one.
    return { ...round, ack: this.#ack, delivery: this.#delivery };
  }

  /** Sends `count` messages from one member who stays within `inFlight`, and waits for them. */
  async sendAll(count: number, inFlight: number): Promise<void> {
    const [sender] = this.#senders;
    if (!sender) throw new Error("Nobody sends here.");
    for (let sent = 0; sent < count; ) {
      while (sent < count && this.sent - this.#acks < inFlight) {
        this.#send(sender, performance.now());
        sent += 1;
      }
      this.#throwIfWrong();
      await sleep(1);
    }
    await this.settle();
  }

  /** Cuts connections as a lost network would: of everybody, or of those who only listen. */
  cut(whom: "listeners" | "everybody"): void {
    for (const member of this.#members) {
      if (whom === "listeners" && this.#senders.includes(member)) continue;
      member.isConnected = false;
      member.line?.close();
    }
  }

  /**
   * All who were cut connect again at once, each from where it was.
   *
   * @returns milliseconds until the last one has everything
   * @throws {WrongResultError} when one of them misses something or gets it twice
   */
  async reconnect(): Promise<number> {
    const cut = this.#members.filter(({ isConnected }) => !isConnected);
    const from = performance.now();
    await Promise.all(cut.map((member) => this.#connect(member)));
    await this.#progress(() => cut.every(({ received, conversation }) => received >= conversation.sent));
    const elapsedMs = performance.now() - from;
    await this.settle();
    return elapsedMs;
  }

  /**
   * Waits until everybody who is connected has everything.
   *
   * @throws {WrongResultError} when that never comes, or more comes
   */
  async settle(): Promise<void> {
    const connected = this.#members.filter(({ isConnected }) => isConnected);
    await this.#progress(
      () =>
        this.#acks >= this.sent &&
        connected.every(({ received, conversation }) => received >= conversation.sent),
    );
    // What should not come gets time to come.
    await sleep(100);
    this.#throwIfWrong();
    const wrong = connected.filter(({ received, conversation }) => received !== conversation.sent);
    if (wrong.length > 0 || this.#acks !== this.sent) {
      throw new WrongResultError(
        `${this.contender.title}: ${this.sent} messages sent, ${this.#acks} acknowledged; ${wrong.length} of ${connected.length} participants did not get each exactly once.`,
      );
    }
  }

  /**
   * Waits until Postgres holds every message, so that one contender's rest does not burden the next one's round.
   *
   * @returns milliseconds it took; null where nothing gets there
   * @throws {WrongResultError} when it never does, or holds more
   */
  async stored(): Promise<number | null> {
    const from = Date.now();
    let newest = { stored: -1, at: from };
    for (;;) {
      const stored = await this.contender.countStored(this.conversationIds);
      if (stored === null) return null;
      if (stored === this.sent) return Date.now() - from;
      if (stored !== newest.stored) newest = { stored, at: Date.now() };
      if (stored > this.sent || Date.now() - newest.at > STALL_MS)
        throw new WrongResultError(
          `${this.contender.title}: Postgres holds ${stored} messages of ${this.sent}.`,
        );
      await sleep(50);
    }
  }

  close(): void {
    for (const { line } of this.#members) line?.close();
  }

  async #connect(member: Member): Promise<void> {
    const { line: earlier, conversation, userId, newestId } = member;
    const resume: Resume | undefined = earlier ? { since: newestId, token: earlier.token } : undefined;
    const line = await this.contender.connect({
      conversationId: conversation.id,
      userId,
      ...(resume ? { resume } : {}),
      onText: (payload) => this.#read(member, payload),
    });
    line.onBroken = (reason) => {
      this.#wrong ??= `a connection ended: ${reason}`;
    };
    member.line = line;
    member.isConnected = true;
  }

  #send(sender: Member, intendedAt: number): void {
    const number = this.#owner.length;
    this.#owner.push(sender.index);
    this.#intendedAt.push(intendedAt);
    sender.conversation.sent += 1;
    sender.line?.send(
      JSON.stringify({
        type: "message.send",
        temp_id: tempIdOf(this.#prefix, number),
        body: { text: TEXT },
      }),
    );
    if (this.#mode === "open") this.#lateness.record(performance.now() - intendedAt);
  }

  #read(member: Member, payload: Buffer): void {
    try {
      const frame = this.#reader.read(payload);
      if (frame) this.#receive(member, frame);
    } catch (error) {
      this.#wrong ??= String(error);
    }
  }

  #receive(member: Member, frame: Frame): void {
    const now = performance.now();
    if (this.contender.isOrdered) this.#requireNext(member, frame);
    else this.#requireOnce(member, frame);
    member.received += frame.ids.length;
    this.#delivered += frame.ids.length;
    this.#frames += 1;
    for (const [index, number] of frame.numbers.entries()) {
      const known = this.#idOf[number];
      const id = frame.ids[index] ?? 0;
      if (known === undefined) this.#idOf[number] = id;
      else if (known !== id) this.#wrong ??= `message ${number} has the ids ${known} and ${id}`;
      if (this.#mode === "open") this.#delivery.record(now - (this.#intendedAt[number] ?? 0));
      const owner = this.#members[this.#owner[number] ?? -1];
      if (owner?.conversation !== member.conversation)
        this.#wrong ??= `message ${number} came to another conversation`;
      if (owner !== member) continue;
      this.#acks += 1;
      this.#ack.record(now - (this.#intendedAt[number] ?? 0));
      if (this.#mode === "closed") this.#send(member, now);
    }
  }

  #requireNext(member: Member, frame: Frame): void {
    if (!frame.isContiguous || frame.ids[0] !== member.newestId + 1)
      this.#wrong ??= `after message ${member.newestId} came ${frame.ids.slice(0, 5).join(", ")}`;
    member.newestId = frame.ids.at(-1) ?? 0;
  }

  #requireOnce(member: Member, frame: Frame): void {
    for (const [index, number] of frame.numbers.entries()) {
      if (number >= member.seen.length) {
        const grown = new Uint8Array(2 * number + 1_024);
        grown.set(member.seen);
        member.seen = grown;
      }
      if (member.seen[number] === 1) this.#wrong ??= `message ${number} came twice`;
      member.seen[number] = 1;
      const id = frame.ids[index] ?? 0;
      if (id < member.newestId) this.#overtaken += 1;
      else member.newestId = id;
    }
  }

  /** Waits until `isDone`, something is wrong, or nothing has arrived for a while. */
  async #progress(isDone: () => boolean): Promise<void> {
    let newest = { delivered: this.#delivered, at: Date.now() };
    while (!isDone() && this.#wrong === null) {
      if (this.#delivered !== newest.delivered) newest = { delivered: this.#delivered, at: Date.now() };
      if (Date.now() - newest.at > STALL_MS) return;
      await sleep(2);
    }
  }

  /** @returns what ends the round */
  #begin(): () => Round {
    const before = {
      acks: this.#acks,
      delivered: this.#delivered,
      frames: this.#frames,
      overtaken: this.#overtaken,
    };
    this.#ack = new Histogram();
    this.#delivery = new Histogram();
    this.#lateness = new Histogram();
    const [ack, delivery, lateness] = [this.#ack, this.#delivery, this.#lateness];
    const cpuBefore = process.threadCpuUsage();
    const from = performance.now();
    return () => {
      const elapsedMs = performance.now() - from;
      const cpu = process.threadCpuUsage(cpuBefore);
      // In a closed loop, what comes from here on is no part of the round.
      if (this.#mode === "closed") this.#ack = new Histogram();
      return {
        seconds: elapsedMs / 1000,
        acks: this.#acks - before.acks,
        delivered: this.#delivered - before.delivered,
        frames: this.#frames - before.frames,
        ack,
        delivery,
        lateness,
        overtaken: this.#overtaken - before.overtaken,
        generatorBusy: (cpu.user + cpu.system) / 1000 / elapsedMs,
      };
    };
  }

  #throwIfWrong(): void {
    if (this.#wrong !== null) throw new WrongResultError(`${this.contender.title}: ${this.#wrong}.`);
  }
}
