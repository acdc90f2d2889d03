import { createStore, type StoreApi } from "zustand/vanilla";
import type { Unsubscribe } from "../index.ts";

/** A store that lasts until it is destroyed. */
export interface LiveStore<State> extends StoreApi<State> {
  /** Leaves what the store follows; it stays as it is from then on. Calling it again does nothing. */
  destroy(): void;
}

interface Joined<State> {
  readonly state: State;
  subscribe(callback: () => void): Unsubscribe;
  leave(): void;
}

/** A store that shows what the handle does, with actions beside it. */
export function mirror<State extends object, Actions extends object>(
  handle: Joined<State>,
  actions: Actions,
): LiveStore<State & Actions> {
  const store = createStore<State & Actions>(() => ({ ...handle.state, ...actions }));
  handle.subscribe(() => store.setState((state) => ({ ...state, ...handle.state })));
  return Object.assign(store, { destroy: () => handle.leave() });
}
