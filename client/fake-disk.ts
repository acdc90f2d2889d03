import type { ChatStorage } from "./storage.ts";

let disks = 0;

/** A disk that outlives the clients that use it, as IndexedDB outlives the tabs of a browser. */
export class FakeDisk {
  readonly values = new Map<string, string>();
  /** Every write, its keys with + or −. */
  readonly writes: string[] = [];
  /** Characters of all values beyond which nothing fits. */
  room = Number.POSITIVE_INFINITY;
  /** Nothing is answered any more. */
  isStuck = false;
  isBroken = false;
  readonly #name = `disk ${disks++}`;

  /** What one tab sees of it. */
  open(): FakeTab {
    let isAlive = true;
    const dead = Promise.withResolvers<void>();
    const channel = new BroadcastChannel(this.#name);
    const request = ((name: string, options: LockOptions, held: () => Promise<unknown>) =>
      navigator.locks.request(`${this.#name} ${name}`, options, () =>
        Promise.race([held(), dead.promise]),
      )) as LockManager["request"];
    const answer = async <T>(work: () => T): Promise<T> => {
      await new Promise((resolve) => setTimeout(resolve));
      if (this.isStuck) await new Promise(() => undefined);
      if (this.isBroken) throw new DOMException("It is gone.", "InvalidStateError");
      return work();
    };
    return {
      storage: {
        isDurable: true,
        list: (prefix) =>
          answer(() =>
            [...this.values]
              .filter(([key]) => key.startsWith(prefix))
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([key, text]) => [key, JSON.parse(text) as unknown] as const),
          ),
        write: (changes) =>
          answer(() => {
            const next = new Map(this.values);
            for (const [key, value] of changes) {
              if (value === undefined) next.delete(key);
              else next.set(key, JSON.stringify(value));
            }
            if ([...next.values()].reduce((sum, text) => sum + text.length, 0) > this.room)
              throw new DOMException("There is no room.", "QuotaExceededError");
            for (const [key, value] of changes) {
              this.writes.push(`${value === undefined ? "-" : "+"} ${key}`);
              const text = next.get(key);
              if (text === undefined) this.values.delete(key);
              else this.values.set(key, text);
            }
          }),
        sharing: {
          locks: { request },
          channel: {
            postMessage: (message) => {
              if (isAlive) channel.postMessage(message);
            },
            addEventListener: channel.addEventListener.bind(channel),
            removeEventListener: channel.removeEventListener.bind(channel),
          },
        },
      },
      die: () => {
        isAlive = false;
        dead.resolve();
        channel.close();
      },
    };
  }

  /** Keys of what is unsent, without the user's and the conversation's part. */
  get unsent(): string[] {
    return [...this.values.keys()]
      .filter((key) => key.includes(" outbox "))
      .sort()
      .map((key) => key.split(" ").at(-1) ?? "");
  }
}

/** One tab. */
export interface FakeTab {
  storage: ChatStorage;
  /** It is closed: what it held is free. */
  die(): void;
}
