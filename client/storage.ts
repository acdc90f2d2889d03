/** A value and its key; `undefined` takes it away. */
export type StorageChange = readonly [key: string, value: unknown];

/**
 * Where a client keeps what must outlive it. Values are JSON. A browser's is {@link indexedDbStorage}; for React Native,
 * two methods over any database will do.
 */
export interface ChatStorage {
  /** Whether what it holds is still there after a crash. */
  readonly isDurable: boolean;
  /** Everything whose key begins with `prefix`, in the order of the keys' UTF-16 units. */
  list(prefix: string): Promise<ReadonlyArray<readonly [key: string, value: unknown]>>;
  /** Makes all of the changes, or none. Where {@link isDurable}, they are on disk when it resolves. */
  write(changes: readonly StorageChange[]): Promise<void>;
  /** Where several clients use one storage at once, as the tabs of a browser do. */
  readonly sharing?: StorageSharing;
}

/** What clients of one storage agree with each other by. */
export interface StorageSharing {
  /** Gives a name to one client at a time, as `navigator.locks` does. */
  readonly locks: Pick<LockManager, "request">;
  /** Carries what one says to all others, as a `BroadcastChannel` does. */
  readonly channel: Pick<BroadcastChannel, "postMessage" | "addEventListener" | "removeEventListener">;
}

/** Keeps everything until the process ends. */
export function memoryStorage(): ChatStorage {
  const values = new Map<string, string>();
  return {
    isDurable: false,
    list: async (prefix) =>
      [...values]
        .filter(([key]) => key.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => [key, JSON.parse(value)]),
    write: async (changes) => {
      for (const [key, value] of changes) {
        if (value === undefined) values.delete(key);
        else values.set(key, JSON.stringify(value));
      }
    },
  };
}
