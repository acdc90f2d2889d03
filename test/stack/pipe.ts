import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How bytes pass in one direction; changed at any time, for all connections of a proxy. */
export interface Passage {
  /** Nothing passes, and nobody is told. */
  isHeld: boolean;
  delayMs: number;
  /** null: as fast as they come. */
  bytesPerSecond: number | null;
}

/** Bytes waiting here after which the sender has to wait, too. */
const QUEUE_BYTES = 1024 * 1024;
/** Slices a second of a throttled direction. */
const SLICES_PER_SECOND = 20;

/** One direction of one connection. */
export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #passage: Passage;
  readonly #queue: Array<{ bytes: Buffer; dueMs: number }> = [];
  #queuedBytes = 0;
  #isPumping = false;
  /** The sender has said its last byte. */
  #isEnded = false;
  #resetIn: { bytes: number; reset: () => void } | null = null;
  #isStranded = false;

  /** @param cut what is passed on of what came */
  constructor(from: Socket, to: Socket, passage: Passage, cut: (chunk: Buffer) => Buffer[]) {
    this.#from = from;
    this.#to = to;
    this.#passage = passage;
    from.on("data", (chunk: Buffer) => {
      for (const bytes of cut(chunk)) {
        this.#queue.push({ bytes, dueMs: Date.now() + passage.delayMs });
        this.#queuedBytes += bytes.length;
      }
      if (this.#queuedBytes > QUEUE_BYTES) from.pause();
      void this.pump();
    });
    from.on("end", () => this.end());
  }

  /** Lets pass what may pass now. Called again whenever the passage has changed. */
  async pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (!this.isHeld && !this.#to.destroyed) {
      const next = this.#queue[0];
      if (next === undefined) {
        if (this.#isEnded) this.#to.end();
        break;
      }
      const waitMs = next.dueMs - Date.now();
      // A long delay may be taken back meanwhile.
      if (waitMs > 0 && this.#passage.delayMs > 0) await sleep(Math.min(waitMs, 50));
      else await this.#write(next);
    }
    this.#isPumping = false;
  }

  /** Holds this connection alone, or no longer. */
  strand(isStranded: boolean): void {
    this.#isStranded = isStranded;
    void this.pump();
  }

  get isHeld(): boolean {
    return this.#isStranded || this.#passage.isHeld;
  }

  /** Ends the receiving side once everything has passed. */
  end(): void {
    this.#isEnded = true;
    void this.pump();
  }

  /** Calls `reset` when this many more bytes have passed. */
  resetIn(bytes: number, reset: () => void): void {
    this.#resetIn = { bytes, reset };
  }

  #write(next: { bytes: Buffer }): Promise<void> | undefined {
    const { bytesPerSecond } = this.#passage;
    const most = Math.min(
      next.bytes.length,
      bytesPerSecond === null ? Number.POSITIVE_INFINITY : Math.ceil(bytesPerSecond / SLICES_PER_SECOND),
      this.#resetIn?.bytes ?? Number.POSITIVE_INFINITY,
    );
    const part = next.bytes.subarray(0, most);
    if (most === next.bytes.length) this.#queue.shift();
    else next.bytes = next.bytes.subarray(most);
    this.#queuedBytes -= most;
    if (this.#queuedBytes <= QUEUE_BYTES) this.#from.resume();
    const resetIn = this.#resetIn;
    if (resetIn) resetIn.bytes -= most;
    if (resetIn?.bytes === 0) {
      this.#resetIn = null;
      // What came before that byte has arrived by then.
      this.#to.write(part, () => resetIn.reset());
      return undefined;
    }
    const hasRoom = this.#to.write(part);
    if (bytesPerSecond !== null) return sleep(1000 / SLICES_PER_SECOND);
    return hasRoom ? undefined : roomIn(this.#to);
  }
}

/** Resolves when the socket takes more, or never will. */
function roomIn(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}
