import { act, type ReactNode } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { expect, vi } from "vitest";

/** A page of happy-dom with one React root, which may neither warn nor fail. */
export class FakePage {
  readonly #container = document.createElement("div");
  readonly #complaints = vi.spyOn(console, "error");
  #root: Root | null = null;

  constructor() {
    document.body.append(this.#container);
  }

  get text(): string {
    return this.#container.textContent ?? "";
  }

  render(tree: ReactNode): Promise<void> {
    return acting(() => {
      this.#root ??= createRoot(this.#container);
      this.#root.render(tree);
    });
  }

  hydrate(html: string, tree: ReactNode): Promise<void> {
    this.#container.innerHTML = html;
    return acting(() => {
      this.#root = hydrateRoot(this.#container, tree, {
        onRecoverableError: (error) => console.error(error),
      });
    });
  }

  async unmount(): Promise<void> {
    await acting(() => this.#root?.unmount());
    this.#root = null;
  }

  async end(): Promise<void> {
    await this.unmount();
    this.#container.remove();
    expect(this.#complaints.mock.calls).toEqual([]);
    this.#complaints.mockRestore();
  }
}

/** Everything that the work leads to in React is done when this resolves. */
export async function acting(work: () => void): Promise<void> {
  const world = globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean };
  world.IS_REACT_ACT_ENVIRONMENT = true;
  await act(async () => work());
  // What arrives over the network renders as in a browser, whenever it comes.
  world.IS_REACT_ACT_ENVIRONMENT = false;
}

export const until = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 });
