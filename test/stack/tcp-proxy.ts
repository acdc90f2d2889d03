import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP proxy whose connections can be cut or fall silent: a network cable in a test. */
export class TcpProxy {
  readonly #server = createServer((client) => this.#carry(client));
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #state: "whole" | "cut" | "silent" = "whole";

  /** @param target port on 127.0.0.1 that connections go on to */
  constructor(target: number) {
    this.#target = target;
  }

  async listen(): Promise<number> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resets every connection and refuses new ones until {@link mend}. */
  cut(): void {
    this.#state = "cut";
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Carries nothing more in either direction, and nobody is told, until {@link mend}. New connections open and stay silent. */
  silence(): void {
    this.#state = "silent";
    for (const socket of this.#sockets) socket.pause();
  }

  /** Ends what was silenced, as a gateway does with connections it forgot, and carries new ones. */
  mend(): void {
    if (this.#state === "silent") for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#state = "whole";
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }

  #carry(client: Socket): void {
    if (this.#state === "cut") {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#target, "127.0.0.1");
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      // Not `pipe`, whose drain would resume a silenced socket.
      from.on("data", (chunk) => {
        if (to.write(chunk)) return;
        from.pause();
        to.once("drain", () => {
          if (this.#state === "whole") from.resume();
        });
      });
      from.on("end", () => to.end());
      if (this.#state === "silent") from.pause();
    }
  }
}
