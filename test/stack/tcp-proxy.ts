import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { ClientFrames } from "./client-frames.ts";
import { type Passage, Pipe } from "./pipe.ts";

/** `up` is from the client to the service. */
export type Direction = "up" | "down";

interface Connection {
  client: Socket;
  server: Socket;
  pipes: Record<Direction, Pipe>;
  /** One of its ends is gone, and the other one was not told. */
  isOrphaned: boolean;
}

const FREE: Readonly<Passage> = { isHeld: false, delayMs: 0, bytesPerSecond: null };

/** A TCP proxy whose connections can be cut, silenced, slowed and more: a network in a test. */
export class TcpProxy {
  readonly #server = createServer({ allowHalfOpen: true }, (client) => this.#carry(client));
  readonly #target: number;
  readonly #connections = new Set<Connection>();
  readonly #passages: Record<Direction, Passage> = { up: { ...FREE }, down: { ...FREE } };
  #isRefusing = false;
  #resetIn: { direction: Direction; bytes: number; onReset: () => void } | null = null;
  #onRepeated: (() => void) | null = null;

  /** @param target port on 127.0.0.1 that connections go on to */
  constructor(target: number) {
    this.#target = target;
  }

  /** @returns the port it listens on */
  async listen(): Promise<number> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resets every connection and refuses new ones until {@link mend}. */
  cut(): void {
    this.#isRefusing = true;
    for (const connection of this.#connections) reset(connection);
  }

  /** Carries nothing more in this direction, and nobody is told. New connections open and stay silent, too. */
  hold(direction: Direction): void {
    this.#passages[direction].isHeld = true;
  }

  /**
   * Holds the connections there are now, until {@link release}; new ones are carried.
   *
   * @returns how many there were
   */
  strand(): number {
    for (const { pipes } of this.#connections) {
      pipes.up.strand(true);
      pipes.down.strand(true);
    }
    return this.#connections.size;
  }

  /** Carries nothing more in either direction. */
  silence(): void {
    this.hold("up");
    this.hold("down");
  }

  /** @param passage what changes for all that is carried from now on */
  slow(passage: Partial<Omit<Passage, "isHeld">>): void {
    Object.assign(this.#passages.up, passage);
    Object.assign(this.#passages.down, passage);
  }

  /** Resets the first connection that carries this many more bytes in this direction, at exactly that byte. */
  resetIn(direction: Direction, bytes: number, onReset: () => void): void {
    this.#resetIn = { direction, bytes, onReset };
    for (const connection of this.#connections) this.#armReset(connection);
  }

  /** Sends the next command frame of a client twice, as nothing but a network would. */
  repeatFrame(onRepeated: () => void): void {
    this.#onRepeated = onRepeated;
  }

  /**
   * Ends one side of every connection; the other side stays open and silent until {@link mend}.
   *
   * @returns how many there were
   */
  orphan(gone: "client" | "server"): number {
    for (const connection of this.#connections) {
      connection.isOrphaned = true;
      connection[gone].resetAndDestroy();
    }
    return this.#connections.size;
  }

  /** Lets pass what was held, however late: also what an old connection said after a new one was opened. */
  release(): void {
    Object.assign(this.#passages.up, FREE);
    Object.assign(this.#passages.down, FREE);
    for (const { pipes } of this.#connections) {
      pipes.up.strand(false);
      pipes.down.strand(false);
    }
  }

  /** Ends what was held, as a gateway does with connections it forgot, and carries everything again. */
  mend(): void {
    this.#isRefusing = false;
    this.#resetIn = null;
    this.#onRepeated = null;
    const isSilent = this.#passages.up.isHeld || this.#passages.down.isHeld;
    for (const connection of this.#connections) if (isSilent || connection.isOrphaned) reset(connection);
    this.release();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }

  #carry(client: Socket): void {
    if (this.#isRefusing) {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.#target, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [client, server]) socket.setNoDelay(true);
    const frames = new ClientFrames();
    const connection: Connection = {
      client,
      server,
      pipes: {
        up: new Pipe(client, server, this.#passages.up, (chunk) => frames.feed(chunk, () => this.#repeats())),
        down: new Pipe(server, client, this.#passages.down, (chunk) => [chunk]),
      },
      isOrphaned: false,
    };
    this.#connections.add(connection);
    this.#armReset(connection);
    this.#follow(connection, "client", "up");
    this.#follow(connection, "server", "down");
  }

  /** When one end is gone, the other is told, after what is still on its way. */
  #follow(connection: Connection, end: "client" | "server", direction: Direction): void {
    const other = end === "client" ? connection.server : connection.client;
    let hasFailed = false;
    connection[end].on("error", () => {
      hasFailed = true;
    });
    connection[end].on("close", () => {
      if (connection.client.destroyed && connection.server.destroyed) this.#connections.delete(connection);
      if (connection.isOrphaned) return;
      if (hasFailed && !connection.pipes[direction].isHeld) other.resetAndDestroy();
      else connection.pipes[direction].end();
    });
  }

  #armReset(connection: Connection): void {
    const wanted = this.#resetIn;
    if (!wanted) return;
    connection.pipes[wanted.direction].resetIn(wanted.bytes, () => {
      // Only the first one.
      if (this.#resetIn !== wanted) return;
      this.#resetIn = null;
      reset(connection);
      wanted.onReset();
    });
  }

  #repeats(): boolean {
    const onRepeated = this.#onRepeated;
    this.#onRepeated = null;
    onRepeated?.();
    return onRepeated !== null;
  }
}

function reset({ client, server }: Connection): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}
