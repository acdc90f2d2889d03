import { useMemo, useSyncExternalStore } from "react";
import type { Source } from "./joins.ts";

/**
 * What `select` makes of the state. Renders again only when that changes.
 *
 * @param isEqual says that two results are as good as one, and the former one is kept. Default: `Object.is`
 */
export function useSelected<State, Value>(
  source: Source<State>,
  select: (state: State) => Value,
  isEqual: (a: Value, b: Value) => boolean = Object.is,
): Value {
  const [read, readIdle] = useMemo(
    () => [source.getState, () => source.idle].map((getState) => selecting(getState, select, isEqual)),
    [source, select, isEqual],
  ) as [() => Value, () => Value];
  return useSyncExternalStore(source.subscribe, read, readIdle);
}

/** The same result for the same state, as `useSyncExternalStore` expects it. */
function selecting<State, Value>(
  getState: () => State,
  select: (state: State) => Value,
  isEqual: (a: Value, b: Value) => boolean,
): () => Value {
  let last: { state: State; value: Value } | null = null;
  return () => {
    const state = getState();
    if (last?.state !== state) {
      const value = select(state);
      last = { state, value: last && isEqual(last.value, value) ? last.value : value };
    }
    return last.value;
  };
}

/** Whether two objects, or two arrays, hold the same under the same keys. */
export function isSameInside<T extends object>(a: T, b: T): boolean {
  const keys = Object.keys(a) as Array<keyof T>;
  return keys.length === Object.keys(b).length && keys.every((key) => Object.is(a[key], b[key]));
}
