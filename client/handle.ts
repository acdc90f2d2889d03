import type { Unsubscribe } from "./events.ts";

/** What several users of it share: a conversation, or the inbox. */
export interface Shared<State> {
  readonly state: State;
  subscribe(callback: () => void): Unsubscribe;
  /** Keeps it connected until the returned function is called. */
  hold(): () => void;
}

/** One user of something shared: a view, a component. */
export class Handle<State extends object> {
  readonly #shared: Shared<State>;
  readonly #release: () => void;
  readonly #subscriptions = new Set<Unsubscribe>();

  constructor(shared: Shared<State>) {
    this.#shared = shared;
    this.#release = shared.hold();
  }

  /** What is known now. The same object until something changes. */
  get state(): State {
    return this.#shared.state;
  }

  /** Calls back after each change of `state`, as `useSyncExternalStore` expects it. Needs no `this`. */
  readonly subscribe = (callback: () => void): Unsubscribe => {
    const unsubscribe = this.#shared.subscribe(callback);
    const end = () => {
      this.#subscriptions.delete(end);
      unsubscribe();
    };
    this.#subscriptions.add(end);
    return end;
  };

  /** The current `state`, for `useSyncExternalStore`. Needs no `this`. */
  readonly getState = (): State => this.#shared.state;

  /** Ends this handle's use and its subscriptions. Calling it again does nothing. */
  leave(): void {
    for (const end of [...this.#subscriptions]) end();
    this.#release();
  }
}
