import type { ChatStorage, StorageChange } from "../../client/index.ts";

/** What is used of the package `@react-native-async-storage/async-storage`. */
export interface AsyncStorage {
  getAllKeys(): Promise<readonly string[]>;
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<void>;
  removeItem(key: string): Promise<void>;
  multiGet(keys: readonly string[]): Promise<ReadonlyArray<readonly [key: string, value: string | null]>>;
  multiSet(pairs: ReadonlyArray<[key: string, value: string]>): Promise<void>;
  multiRemove(keys: readonly string[]): Promise<void>;
}

/**
 * Keeps what a client keeps in AsyncStorage. That one cannot change several keys at once, so each write is noted as a whole
 * before it is carried out, and carried out again if the app died in between.
 */
export function asyncStorage(disk: AsyncStorage, name = "arcyou-chat"): ChatStorage {
  const note = `${name}.write`;
  const prefix = `${name} `;
  const carryOut = async (changes: readonly StorageChange[]): Promise<void> => {
    const last = new Map(changes);
    const kept = [...last].filter(([, value]) => value !== undefined && value !== null);
    const gone = [...last.keys()].filter((key) => !kept.some(([other]) => other === key));
    await disk.multiSet(kept.map(([key, value]) => [prefix + key, JSON.stringify(value)]));
    await disk.multiRemove(gone.map((key) => prefix + key));
    await disk.removeItem(note);
  };
  const begin = async (): Promise<void> => {
    const unfinished = await disk.getItem(note);
    if (unfinished !== null) await carryOut(JSON.parse(unfinished));
  };
  let work: Promise<unknown> | null = null;
  const next = <T>(act: () => Promise<T>): Promise<T> => {
    work ??= begin();
    const done = work.then(act);
    work = done.catch(() => undefined);
    return done;
  };
  return {
    isDurable: true,
    list: (wanted) =>
      next(async () => {
        const keys = (await disk.getAllKeys()).filter((key) => key.startsWith(prefix + wanted));
        const found = await disk.multiGet([...keys].sort());
        return found.map(([key, value]) => [key.slice(prefix.length), JSON.parse(value ?? "null")]);
      }),
    write: (changes) => {
      const whole = JSON.stringify(changes);
      return next(async () => {
        await disk.setItem(note, whole);
        await carryOut(JSON.parse(whole));
      });
    },
  };
}
