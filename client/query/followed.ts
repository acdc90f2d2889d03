import type { ChatClient, Unsubscribe } from "../index.ts";

/** What is followed of each client: by the hash of its key, the newest data of each follower. */
const followed = new WeakMap<ChatClient, Map<string, Array<() => unknown>>>();

/** Says where the newest data of a key is. @returns takes it back */
export function register<T>(
  chat: ChatClient,
  key: readonly unknown[],
  read: () => T | undefined,
): Unsubscribe {
  const readers = followed.get(chat) ?? new Map<string, Array<() => unknown>>();
  followed.set(chat, readers);
  const name = JSON.stringify(key);
  readers.set(name, [...(readers.get(name) ?? []), read]);
  return () => {
    readers.set(
      name,
      (readers.get(name) ?? []).filter((other) => other !== read),
    );
  };
}

/**
 * Asks the service, unless the answer is here. What is followed is newer than any answer, also than one that was asked
 * for before anybody followed it.
 */
export async function newest<T>(
  chat: ChatClient,
  key: readonly unknown[],
  ask: () => Promise<T>,
): Promise<T> {
  const known = read<T>(chat, key);
  if (known !== undefined) return known;
  const answer = await ask();
  return read<T>(chat, key) ?? answer;
}

function read<T>(chat: ChatClient, key: readonly unknown[]): T | undefined {
  const readers = followed.get(chat)?.get(JSON.stringify(key)) ?? [];
  for (const reader of readers) {
    const data = reader();
    if (data !== undefined) return data as T;
  }
  return undefined;
}
