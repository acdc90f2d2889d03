import type { SocketHandlers } from "../../client/socket.ts";
import type { World } from "./world.ts";

/** What a device's connection does for a while. */
export interface Weather {
  /** Longest delay of a frame, milliseconds. */
  latencyMs: number;
  /** Share of frames that arrive twice. */
  echo: number;
}

export const FAIR: Weather = { latencyMs: 20, echo: 0 };

/** One direction of a connection: in order, nothing lost before the end, and nobody knows how long it takes. */
class Pipe {
  readonly #world: World;
  readonly #weather: () => Weather;
  /** What is under way, in order. */
  readonly #frames: Array<() => void> = [];
  #arrivesAt = 0;
  /** Arrivals that were held back; null when none are. */
  #held: number | null = null;
  #isCut = false;

  constructor(world: World, weather: () => Weather) {
    this.#world = world;
    this.#weather = weather;
  }

  push(deliver: () => void): void {
    if (this.#isCut) return;
    this.#frames.push(deliver);
    this.#planArrival();
  }

  /** Nothing arrives any more until {@link release}; nobody is told. */
  hold(): void {
    this.#held ??= 0;
  }

  release(): void {
    const held = this.#held ?? 0;
    this.#held = null;
    for (let n = 0; n < held; n += 1) this.#planArrival();
  }

  /** What has not arrived never does. */
  cut(): void {
    this.#isCut = true;
  }

  #planArrival(): void {
    const { latencyMs } = this.#weather();
    const at = Math.max(this.#arrivesAt, this.#world.now + this.#world.delay(latencyMs / 10, latencyMs));
    this.#arrivesAt = at;
    this.#world.after(at - this.#world.now, () => {
      if (this.#isCut) return;
      if (this.#held === null) this.#frames.shift()?.();
      else this.#held += 1;
    });
  }
}

/** What the service does with its end of a connection. */
export interface ServerEnd {
  received(connection: Connection, text: string): void;
  /** The platform answered a `ping` in its place. */
  pinged(connection: Connection): void;
  closed(connection: Connection): void;
}

/** A WebSocket between a device and the service: two pipes, and two ends that learn of its end separately. */
export class Connection {
  /** Place in the history at which the device asked for it. */
  readonly asked: number;
  readonly client: string;
  readonly user: string;
  readonly #world: World;
  readonly #weather: () => Weather;
  readonly #up: Pipe;
  readonly #down: Pipe;
  #handlers: SocketHandlers | null;
  #server: ServerEnd | null = null;

  constructor(
    world: World,
    owner: { client: string; user: string; weather: () => Weather },
    handlers: SocketHandlers,
  ) {
    this.#world = world;
    this.client = owner.client;
    this.user = owner.user;
    this.#weather = owner.weather;
    this.#up = new Pipe(world, owner.weather);
    this.#down = new Pipe(world, owner.weather);
    this.#handlers = handlers;
    this.asked = world.instant();
  }

  /** The request for the upgrade, which arrives as everything does. */
  request(arrived: () => void): void {
    this.#up.push(arrived);
  }

  /** The service has taken it. */
  attach(server: ServerEnd): void {
    this.#server = server;
  }

  /** Whether the service may still say something that could arrive. */
  get isOpen(): boolean {
    return this.#server !== null;
  }

  // The service's side

  serverOpens(): void {
    this.#down.push(() => this.#handlers?.opened());
  }

  serverSends(text: string): void {
    const twice = this.#world.random.chance(this.#weather().echo);
    for (let n = 0; n < (twice ? 2 : 1); n += 1) this.#down.push(() => this.#handlers?.received(text));
  }

  serverCloses(code: number): void {
    this.#server = null;
    this.#down.push(() => this.#endAtClient(code));
  }

  // The device's side

  clientSends(text: string): void {
    if (text === "ping") {
      // The platform answers in place of the object.
      this.#up.push(() => {
        this.#server?.pinged(this);
        if (this.#server) this.#down.push(() => this.#handlers?.received("pong"));
      });
      return;
    }
    const twice = this.#world.random.chance(this.#weather().echo);
    for (let n = 0; n < (twice ? 2 : 1); n += 1) this.#up.push(() => this.#server?.received(this, text));
  }

  clientCloses(): void {
    this.#handlers = null;
    this.#up.push(() => this.#endAtServer());
  }

  // The network's

  /** Torn: what is under way is lost; each end hears of it some time, the service perhaps much later. */
  cut(serverNoticesMs: number): void {
    this.#up.cut();
    this.#down.cut();
    this.#world.after(this.#world.delay(0, 50), () => this.#endAtClient(1006));
    this.#world.after(serverNoticesMs, () => this.#endAtServer());
  }

  hold(direction: "up" | "down" | "both"): void {
    if (direction !== "down") this.#up.hold();
    if (direction !== "up") this.#down.hold();
  }

  release(): void {
    this.#up.release();
    this.#down.release();
  }

  #endAtClient(code: number): void {
    const handlers = this.#handlers;
    this.#handlers = null;
    handlers?.closed(code);
  }

  #endAtServer(): void {
    const server = this.#server;
    this.#server = null;
    server?.closed(this);
  }
}
