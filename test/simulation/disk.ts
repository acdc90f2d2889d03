import type { ChatStorage } from "../../client/storage.ts";
import { Random } from "./random.ts";
import type { World } from "./world.ts";

/** The disk of one device, which outlives its tabs. What a tab asks of it takes a while; what it was in the middle of when it
 * died is there as a whole or not at all. */
export class Disk {
  readonly #world: World;
  /** Of its own, so that a run with a disk draws no other plan than one without. */
  readonly #random: Random;
  readonly #values = new Map<string, string>();

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#random = new Random(seed);
  }

  /**
   * What one tab sees of it.
   *
   * @param run continues in the tab, if it is still there
   */
  open(run: (callback: () => void) => void): ChatStorage {
    return {
      isDurable: true,
      list: (prefix) =>
        this.#answer(run, () =>
          [...this.#values]
            .filter(([key]) => key.startsWith(prefix))
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, text]) => [key, JSON.parse(text) as unknown] as const),
        ),
      write: (changes) => {
        const texts = changes.map(([key, value]) => [key, JSON.stringify(value)] as const);
        return this.#answer(run, () => {
          for (const [key, text] of texts) {
            if (text === undefined) this.#values.delete(key);
            else this.#values.set(key, text);
          }
        });
      },
    };
  }

  /** Asked of a disk that does its work in order, by a tab that may have died meanwhile. */
  #answer<T>(run: (callback: () => void) => void, work: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.#world.after(this.#random.next() * 3, () => {
        const result = work();
        this.#world.after(this.#random.next() * 3, () => run(() => resolve(result)));
      });
    });
  }
}
