import type { TYPING_EXPIRES_MS as PROTOCOL_EXPIRES_MS } from "../protocol/frames.ts";
import type { Environment } from "./environment.ts";
import { Timer } from "./timer.ts";

/** The protocol's own, of which only the type comes without zod. */
export const TYPING_EXPIRES_MS: typeof PROTOCOL_EXPIRES_MS = 6_000;

/** Who else is typing. Each ends by themselves, unless it is said again. */
export class Typists {
  readonly #env: Environment;
  readonly #timer: Timer;
  readonly #untilMs = new Map<string, number>();
  #userIds: readonly string[] = [];

  /** @param expired called when time alone ended somebody's typing */
  constructor(env: Environment, expired: () => void) {
    this.#env = env;
    this.#timer = new Timer(env, () => {
      this.#update();
      expired();
    });
  }

  /** First comers first. The same array until it changes. */
  get userIds(): readonly string[] {
    return this.#userIds;
  }

  told(userId: string, isTyping: boolean): void {
    if (isTyping) this.#untilMs.set(userId, this.#env.now() + TYPING_EXPIRES_MS);
    else if (!this.#untilMs.delete(userId)) return;
    this.#update();
  }

  clear(): void {
    this.#untilMs.clear();
    this.#update();
  }

  #update(): void {
    const now = this.#env.now();
    for (const [userId, untilMs] of this.#untilMs) {
      // Further away than it ever is means that the clock was set back.
      if (untilMs <= now || untilMs > now + TYPING_EXPIRES_MS) this.#untilMs.delete(userId);
    }
    if (this.#untilMs.size > 0) this.#timer.start(Math.min(...this.#untilMs.values()) - now);
    else this.#timer.stop();
    const userIds = [...this.#untilMs.keys()];
    if (JSON.stringify(userIds) !== JSON.stringify(this.#userIds)) this.#userIds = userIds;
  }
}

/** What the others know of one's own typing. */
export class OwnTyping {
  #saidAtMs = Number.NEGATIVE_INFINITY;

  /** @returns whether it is to be said now */
  change(isTyping: boolean, nowMs: number): boolean {
    const sinceMs = Math.abs(nowMs - this.#saidAtMs);
    if (isTyping ? sinceMs < TYPING_EXPIRES_MS / 2 : sinceMs >= TYPING_EXPIRES_MS) return false;
    this.#saidAtMs = isTyping ? nowMs : Number.NEGATIVE_INFINITY;
    return true;
  }

  /** It is over, and the others know without being told. */
  end(): void {
    this.#saidAtMs = Number.NEGATIVE_INFINITY;
  }
}
