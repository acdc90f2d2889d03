import type { Unsubscribe } from "../index.ts";

/** A handle of the client: a conversation's or the inbox's. */
interface Joined<State> {
  readonly state: State;
  subscribe(callback: () => void): Unsubscribe;
  leave(): void;
}

/** What a hook reads from. Its functions need no `this`. */
export interface Source<State> {
  subscribe(callback: () => void): Unsubscribe;
  getState(): State;
  /** What it shows before anybody has subscribed, and on the server. */
  readonly idle: State;
}

/**
 * Handles that components share by name. One is joined when the first component subscribes, which is when it is mounted,
 * and left when the last one is gone: rendering alone joins nothing.
 */
export class Joins<State, Handle extends Joined<State>> {
  readonly #join: (name: string) => Handle;
  readonly #idle: State;
  readonly #leaving: (handle: Handle) => void;
  readonly #joined = new Map<string, { handle: Handle; users: number }>();

  /**
   * @param idle what is shown of what is not joined
   * @param leaving called before the last component's handle is left
   */
  constructor(
    join: (name: string) => Handle,
    idle: State,
    leaving: (handle: Handle) => void = () => undefined,
  ) {
    this.#join = join;
    this.#idle = idle;
    this.#leaving = leaving;
  }

  /** @param name null: nothing is joined, nothing changes */
  source(name: string | null): Source<State> {
    const idle = this.#idle;
    if (name === null) return { subscribe: () => () => undefined, getState: () => idle, idle };
    return {
      subscribe: (callback) => this.#subscribe(name, callback),
      getState: () => this.#joined.get(name)?.handle.state ?? idle,
      idle,
    };
  }

  /** Calls with the shared handle, or, while there is none, with one for this call alone. */
  use<T>(name: string, call: (handle: Handle) => T): T {
    const known = this.#joined.get(name);
    if (known) return call(known.handle);
    const handle = this.#join(name);
    try {
      return call(handle);
    } finally {
      handle.leave();
    }
  }

  #subscribe(name: string, callback: () => void): Unsubscribe {
    const joined = this.#joined.get(name) ?? { handle: this.#join(name), users: 0 };
    this.#joined.set(name, joined);
    joined.users += 1;
    const unsubscribe = joined.handle.subscribe(callback);
    return () => {
      unsubscribe();
      joined.users -= 1;
      if (joined.users > 0) return;
      this.#joined.delete(name);
      this.#leaving(joined.handle);
      joined.handle.leave();
    };
  }
}
