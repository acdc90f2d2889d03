import { backoffMs } from "./backoff.ts";
import type { Environment } from "./environment.ts";
import type { ChatError } from "./errors.ts";
import { LONGEST_WAIT_MS } from "./outbox.ts";
import { Timer } from "./timer.ts";

/** From one position said to the next. */
const INTERVAL_MS = 1_000;
/** An answer may get lost without the connection. */
const REPEAT_MS = 10_000;

/** The conversation that is read. */
export interface ReadHost {
  /** How far the service knows the user to have read; null while nothing can be said to it. */
  known(): number | null;
  say(lastReadId: number, ref: string): void;
}

/** How far the user has read, said until the service knows it. */
export class ReadPosition {
  readonly #env: Environment;
  readonly #host: ReadHost;
  readonly #timer: Timer;
  #wanted = 0;
  /** What was said last on this connection. */
  #said = 0;
  #ref = "";
  #refusals = 0;
  /** When more than was said may be said, and when the same again. */
  #moreAtMs = 0;
  #againAtMs = 0;

  constructor(env: Environment, host: ReadHost) {
    this.#env = env;
    this.#host = host;
    this.#timer = new Timer(env, () => this.flush());
  }

  /** Whether there is more to say than the service knows. */
  isAhead(known: number): boolean {
    return this.#wanted > known;
  }

  mark(id: number): void {
    if (id <= this.#wanted) return;
    this.#wanted = id;
    this.flush();
  }

  /** Nothing after this message exists. */
  limit(lastMessageId: number): void {
    this.#wanted = Math.min(this.#wanted, lastMessageId);
  }

  /** The connection ended. */
  interrupt(): void {
    this.#timer.stop();
    this.#said = 0;
  }

  /** Says what the service does not know, as soon as it may be said. */
  flush(): void {
    this.#timer.stop();
    const known = this.#host.known();
    if (known === null || !this.isAhead(known)) return;
    const { now, newId } = this.#env;
    const waitMs = (this.#wanted > this.#said ? this.#moreAtMs : this.#againAtMs) - now();
    // Further away than any wait means that the clock was set back.
    if (waitMs > 0 && waitMs <= LONGEST_WAIT_MS) {
      this.#timer.start(waitMs);
      return;
    }
    this.#said = this.#wanted;
    this.#ref = newId();
    this.#moreAtMs = now() + INTERVAL_MS;
    this.#againAtMs = now() + REPEAT_MS;
    this.#timer.start(REPEAT_MS);
    this.#host.say(this.#said, this.#ref);
  }

  /** The service refused a command: later once more, if it was this one and may succeed then. */
  refused(ref: string | undefined, { retryable, retry_after_ms }: ChatError): void {
    if (ref !== this.#ref || this.#said === 0) return;
    if (!retryable) this.#wanted = 0;
    this.#refusals += 1;
    const { now, random, reconnect } = this.#env;
    const waitMs = retry_after_ms ?? backoffMs(reconnect, this.#refusals, random());
    this.#againAtMs = this.#moreAtMs = now() + Math.max(INTERVAL_MS, Math.min(waitMs, LONGEST_WAIT_MS));
    this.flush();
  }

  /** The service told how far it knows. */
  answered(): void {
    this.#refusals = 0;
    this.flush();
  }
}
