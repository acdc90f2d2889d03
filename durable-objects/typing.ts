import { TYPING_EXPIRES_MS } from "../protocol/frames.ts";

/** From one frame about a user to the next. */
export const TYPING_INTERVAL_MS = 2_000;

/** Nobody follows more who type at once, and each of them is told of all the others in a frame of their own. */
export const TYPISTS = 50;

interface Typist {
  isTyping: boolean;
  saidAt: number;
  /** What the others were told last, and when. */
  isTold: boolean;
  toldAt: number;
}

/** Who is typing, and what the others are to be told of it. Never stored: whoever is told ends it by themselves. */
export class Typing {
  readonly #typists = new Map<string, Typist>();

  /** A user typed, or stopped. */
  say(userId: string, isTyping: boolean, nowMs: number): void {
    const known = this.#typists.get(userId);
    if (!known && (!isTyping || this.#isFull(nowMs))) return;
    const { isTold = false, toldAt = Number.NEGATIVE_INFINITY } = known ?? {};
    this.#typists.set(userId, { isTyping, saidAt: nowMs, isTold, toldAt });
  }

  #isFull(nowMs: number): boolean {
    if (this.#typists.size < TYPISTS) return false;
    for (const [userId, typist] of this.#typists) if (isOver(typist, nowMs)) this.#typists.delete(userId);
    return this.#typists.size >= TYPISTS;
  }

  /** A message of the user arrived, and ends it on every side by itself. */
  sent(userId: string): void {
    const known = this.#typists.get(userId);
    if (known) this.#typists.set(userId, { ...known, isTyping: false, isTold: false });
  }

  /**
   * What is to be told now: what differs from what was told, and again who goes on typing, because it would expire.
   *
   * @returns with it, when the next of it is due; null for nothing
   */
  take(nowMs: number): { told: Array<{ userId: string; isTyping: boolean }>; next: number | null } {
    const told: Array<{ userId: string; isTyping: boolean }> = [];
    let next: number | null = null;
    for (const [userId, typist] of this.#typists) {
      const { isTyping, isTold, saidAt, toldAt } = typist;
      const sinceToldMs = nowMs - toldAt;
      // A moment in the future means that the clock was set back.
      const isFree = sinceToldMs >= TYPING_INTERVAL_MS || sinceToldMs < 0;
      const isNews = isTyping !== isTold || (isTyping && saidAt > toldAt);
      if ((isTyping && isOver(typist, nowMs)) || (!isNews && !isTyping)) {
        if (isFree) this.#typists.delete(userId);
      } else if (isNews && isFree) {
        this.#typists.set(userId, { ...typist, isTold: isTyping, toldAt: nowMs });
        told.push({ userId, isTyping });
      } else if (isNews) {
        next = Math.min(next ?? Number.POSITIVE_INFINITY, toldAt + TYPING_INTERVAL_MS);
      }
    }
    return { told, next };
  }
}

/** As those count who were told. */
const isOver = ({ saidAt, toldAt }: Typist, nowMs: number): boolean =>
  Math.abs(nowMs - Math.max(saidAt, toldAt)) >= TYPING_EXPIRES_MS;
