import type { ChatStorage } from "./storage.ts";

/** The one object store of the database. */
const VALUES = "values";

/**
 * Keeps values in IndexedDB, with strict durability: what was written survives a crash of the browser and of the machine.
 * All tabs of an origin share it.
 *
 * @param name of the database
 */
export function indexedDbStorage(name = "arcyou-chat"): ChatStorage {
  let opening: Promise<IDBDatabase> | null = null;

  const open = (): Promise<IDBDatabase> => {
    opening ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name);
      request.onupgradeneeded = () => request.result.createObjectStore(VALUES);
      request.onsuccess = () => {
        const database = request.result;
        // Somebody deletes it, or the browser lost it: the next use opens it anew.
        database.onclose = database.onversionchange = () => {
          database.close();
          opening = null;
        };
        resolve(database);
      };
      request.onerror = () => reject(request.error);
    }).catch((error) => {
      opening = null;
      throw error;
    });
    return opening;
  };

  const run = async <T>(mode: IDBTransactionMode, work: (values: IDBObjectStore) => () => T): Promise<T> => {
    const transaction = (await open()).transaction(VALUES, mode, { durability: "strict" });
    return new Promise((resolve, reject) => {
      const result = work(transaction.objectStore(VALUES));
      transaction.oncomplete = () => resolve(result());
      transaction.onabort = () => reject(transaction.error);
    });
  };

  return {
    isDurable: true,
    list: (prefix) =>
      run("readonly", (values) => {
        const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
        const keys = values.getAllKeys(range);
        const found = values.getAll(range);
        return () => found.result.map((value, index) => [keys.result[index] as string, value] as const);
      }),
    write: (changes) =>
      run("readwrite", (values) => {
        for (const [key, value] of changes) {
          if (value === undefined) values.delete(key);
          else values.put(value, key);
        }
        return () => undefined;
      }),
    ...(globalThis.navigator?.locks && globalThis.BroadcastChannel
      ? { sharing: { locks: navigator.locks, channel: new BroadcastChannel(name) } }
      : {}),
  };
}
