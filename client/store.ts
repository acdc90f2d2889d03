import type { Environment } from "./environment.ts";
import { type ChatStorage, memoryStorage, type StorageChange } from "./storage.ts";

/** Whether what is unsent survives the end of this client. */
export interface StorageState {
  /** `disk`: it does. `memory`: it is lost with the page or the process. */
  readonly kept: "disk" | "memory";
  /**
   * Why it is `memory`; null on disk.
   * - `unavailable`: there is no storage here, or it could not be opened
   * - `full`: there is no room
   * - `unknown_user`: whose it would be is not known before the first connection; give `userId`
   */
  readonly reason: null | "unavailable" | "full" | "unknown_user";
}

/** A storage that answers no sooner is taken for broken. */
const PATIENCE_MS = 4_000;

/**
 * What is kept for one user of one service. It never fails: when the storage does, it says so and goes on without.
 * Copies of what the service has make room for what only this client has.
 */
export class Store {
  readonly #env: Pick<Environment, "setTimeout" | "clearTimeout">;
  readonly #storage: ChatStorage;
  readonly #service: string;
  readonly #changed: () => void;
  #prefix: string | null = null;
  #userId: string | null = null;
  #state: StorageState;
  /** It did not answer: whatever else is asked would wait as well. */
  #isStuck = false;
  /** One thing after the other, so that whatever is read holds all that was written before, and nothing of what follows. */
  #work: Promise<unknown> = Promise.resolve();

  /** @param changed called when `state` is another */
  constructor(
    env: Pick<Environment, "setTimeout" | "clearTimeout">,
    storage: ChatStorage = memoryStorage(),
    service: string,
    userId: string | undefined,
    changed: () => void,
  ) {
    this.#env = env;
    this.#storage = storage;
    this.#service = service;
    this.#changed = changed;
    this.#state = !storage.isDurable ? UNAVAILABLE : userId === undefined ? UNKNOWN_USER : ON_DISK;
    if (userId !== undefined) this.identify(userId);
  }

  get state(): StorageState {
    return this.#state;
  }

  /** Whether anything can be there. */
  get isOpen(): boolean {
    return this.#prefix !== null && this.#storage.isDurable && !this.#isStuck;
  }

  /** Whose it is; null before that is known. */
  get userId(): string | null {
    return this.#userId;
  }

  /** What other clients of this user agree with this one by. */
  get sharing(): ChatStorage["sharing"] {
    return this.isOpen ? this.#storage.sharing : undefined;
  }

  /** A name that clients of this user share. */
  name(part: string): string {
    return `${this.#prefix}${part}`;
  }

  /** Says whose it is. @returns false when it is somebody else's */
  identify(userId: string): boolean {
    this.#userId ??= userId;
    if (this.#prefix === null) {
      this.#prefix = `${this.#service} ${encodeURIComponent(userId)} `;
      this.#say(this.#storage.isDurable ? ON_DISK : UNAVAILABLE);
    }
    return this.#userId === userId;
  }

  /** What begins with `prefix`, by the rest of the keys; null when it cannot be read. */
  list<T>(prefix: string): Promise<Array<[key: string, value: T]> | null> {
    return this.#next(() => this.#list<T>(prefix));
  }

  /** @returns whether it is on disk */
  write(changes: readonly StorageChange[]): Promise<boolean> {
    return this.#next(() => this.#write(changes));
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done;
    return done;
  }

  async #list<T>(prefix: string): Promise<Array<[key: string, value: T]> | null> {
    if (!this.isOpen) return null;
    const whole = this.#prefix + prefix;
    try {
      const found = await this.#inTime(this.#storage.list(whole));
      return found.map(([key, value]) => [key.slice(whole.length), value as T]);
    } catch {
      this.#say(UNAVAILABLE);
      return null;
    }
  }

  async #write(changes: readonly StorageChange[]): Promise<boolean> {
    if (!this.isOpen) return false;
    const whole = changes.map(([key, value]): StorageChange => [this.#prefix + key, value]);
    try {
      await this.#inTime(this.#storage.write(whole)).catch(async () => {
        const copies = await this.#inTime(this.#storage.list(this.#prefix + COPIES));
        const room = copies.map(([key]): StorageChange => [key, undefined]);
        await this.#inTime(this.#storage.write([...room, ...whole]));
      });
      this.#say(ON_DISK);
      return true;
    } catch (error) {
      const isFull = (error as Error | null)?.name === "QuotaExceededError";
      this.#say(isFull ? { kept: "memory", reason: "full" } : UNAVAILABLE);
      return false;
    }
  }

  #say(state: StorageState): void {
    if (state.reason === this.#state.reason) return;
    this.#state = state;
    this.#changed();
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#env.setTimeout(() => {
        this.#isStuck = true;
        reject(new Error("The storage does not answer."));
      }, PATIENCE_MS);
      work.then(resolve, reject).finally(() => this.#env.clearTimeout(timer));
    });
  }
}

/** Begins the keys of what can be fetched again. */
export const COPIES = "copy ";

const ON_DISK: StorageState = { kept: "disk", reason: null };
const UNAVAILABLE: StorageState = { kept: "memory", reason: "unavailable" };
const UNKNOWN_USER: StorageState = { kept: "memory", reason: "unknown_user" };
