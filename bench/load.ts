import { setTimeout as sleep } from "node:timers/promises";
import { BenchSocket } from "./websocket.ts";

/** Where a member connects. */
export type Address = (member: number) => { url: URL; protocols: string[] };

export interface Round {
  seconds: number;
  /** Messages whose sender has seen its own event. */
  acks: number;
  /** Events that arrived at any socket, one for each message and socket. */
  delivered: number;
  frames: number;
  /** Milliseconds from sending to the own event, ascending. */
  latencies: number[];
  /** Share of the time that the generator's thread was busy: near 1, it measures itself. */
  generatorBusy: number;
}

const EVENT = Buffer.from('"type":"message.created"');
const TEXT = "Shall we meet at the station at half past seven? I'll book the table.";

interface Member {
  socket: BenchSocket;
  delivered: number;
}

interface Sender {
  member: Member;
  prefix: string;
  sent: number;
  /** The `temp_id` that is on its way, as it stands in JSON. */
  awaited: Buffer | null;
  sentAt: number;
}

/**
 * The members of one conversation, some of whom send in a closed loop: the next message when the own event has
 * arrived. Nothing is parsed: events are counted by their marker, and the own one is found by its `temp_id`.
 */
export class Load {
  readonly #members: Member[] = [];
  readonly #senders: Sender[] = [];
  #isSending = false;
  #acks = 0;
  #sent = 0;
  #delivered = 0;
  #frames = 0;
  #latencies: number[] = [];
  #broken: string | null = null;

  static async connect(address: Address, members: number, senders: number): Promise<Load> {
    const load = new Load();
    for (let first = 0; first < members; first += 20) {
      const batch = Array.from({ length: Math.min(20, members - first) }, (_, index) => first + index);
      await Promise.all(batch.map((member) => load.#connect(address, member, member < senders)));
    }
    return load;
  }

  /** Messages acknowledged since the beginning. */
  get acks(): number {
    return this.#acks;
  }

  /**
   * Lets the senders send, counts for `seconds` after a warm-up, and waits until all that was sent has arrived.
   *
   * @throws {Error} when an event is missing or too many, or a socket ended
   */
  async run(seconds: number, warmupSeconds: number): Promise<Round> {
    this.#isSending = true;
    for (const sender of this.#senders) this.#sendNext(sender);
    await sleep(warmupSeconds * 1000);

    const before = { acks: this.#acks, delivered: this.#delivered, frames: this.#frames };
    this.#latencies = [];
    const cpuBefore = process.threadCpuUsage();
    const from = performance.now();
    await sleep(seconds * 1000);
    const elapsedMs = performance.now() - from;
    const cpu = process.threadCpuUsage(cpuBefore);
    const round: Round = {
      seconds: elapsedMs / 1000,
      acks: this.#acks - before.acks,
      delivered: this.#delivered - before.delivered,
      frames: this.#frames - before.frames,
      latencies: this.#latencies.splice(0).sort((a, b) => a - b),
      generatorBusy: (cpu.user + cpu.system) / 1000 / elapsedMs,
    };
    this.#isSending = false;
    await this.#settle();
    return round;
  }

  close(): void {
    for (const { socket } of this.#members) socket.close();
  }

  async #connect(address: Address, index: number, isSender: boolean): Promise<void> {
    const { url, protocols } = address(index);
    let sender: Sender | null = null;
    const socket = await BenchSocket.open(url, protocols, (payload) => {
      if (!payload.includes(EVENT)) return;
      this.#count(member, payload);
      if (sender?.awaited && payload.includes(sender.awaited)) this.#acknowledge(sender);
    });
    socket.onBroken = (reason) => {
      this.#broken ??= reason;
    };
    const member: Member = { socket, delivered: 0 };
    this.#members.push(member);
    if (isSender) {
      sender = { member, prefix: `${index}-${process.pid}`, sent: 0, awaited: null, sentAt: 0 };
      this.#senders.push(sender);
    }
  }

  #count(member: Member, payload: Buffer): void {
    let events = 0;
    for (let at = payload.indexOf(EVENT); at >= 0; at = payload.indexOf(EVENT, at + EVENT.length))
      events += 1;
    member.delivered += events;
    this.#delivered += events;
    this.#frames += 1;
  }

  #acknowledge(sender: Sender): void {
    this.#latencies.push(performance.now() - sender.sentAt);
    this.#acks += 1;
    sender.awaited = null;
    if (this.#isSending) this.#sendNext(sender);
  }

  #sendNext(sender: Sender): void {
    sender.sent += 1;
    this.#sent += 1;
    const tempId = `${sender.prefix}-${sender.sent}`;
    sender.awaited = Buffer.from(`"${tempId}"`);
    sender.sentAt = performance.now();
    sender.member.socket.send(
      JSON.stringify({ type: "message.send", temp_id: tempId, body: { text: TEXT } }),
    );
  }

  async #settle(): Promise<void> {
    const deadline = Date.now() + 30_000;
    const isSettled = () =>
      this.#acks === this.#sent && this.#members.every(({ delivered }) => delivered >= this.#sent);
    while (!isSettled() && this.#broken === null && Date.now() < deadline) await sleep(10);
    // What should not come gets time to come.
    await sleep(50);
    if (this.#broken !== null) throw new Error(`A socket ended: ${this.#broken}.`);
    const wrong = this.#members.filter(({ delivered }) => delivered !== this.#sent);
    if (wrong.length > 0 || this.#acks !== this.#sent) {
      throw new Error(
        `${this.#sent} messages sent, ${this.#acks} acknowledged; ${wrong.length} of ${this.#members.length} members did not get each exactly once.`,
      );
    }
  }
}
