import type { InboxEvent, ServerEvent } from "../protocol/frames.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { Connection, type StopReason, type Verdict } from "./connection.ts";
import type { Environment } from "./environment.ts";
import type { ChatError } from "./errors.ts";
import { Listeners, type Unsubscribe } from "./events.ts";
import type { Shared } from "./handle.ts";

/** How a conversation's connection, or the inbox's, is. */
export interface LinkState {
  /**
   * - `disconnected`: not asked to connect
   * - `connecting`: on the way, or waiting to try again
   * - `syncing`: connected; what was missed is arriving
   * - `live`: nothing is missing
   * - `closed`: will not come back by itself; `reason` says why
   */
  readonly status: "disconnected" | "connecting" | "syncing" | "live" | "closed";
  /** Why the last connection ended; null while it is live and before the first. */
  readonly reason: StopReason | null;
}

/** A state that a connection keeps up to date for as long as anybody holds it, whoever looks at it. */
export abstract class LiveLink<State extends LinkState, Event extends ServerEvent | InboxEvent>
  implements Shared<State>
{
  protected readonly env: Environment;
  protected readonly connection: Connection;
  protected status: State["status"] = "disconnected";
  protected reason: StopReason | null = null;
  /** What is to be told once the state shows it. */
  protected news: Array<() => void> = [];
  readonly #path: string;
  /** So that the service knows a new connection of this object from another tab's. */
  readonly #clientId: string;
  readonly #changed = new Listeners<[]>();
  #holders = 0;
  #isEnabled = false;
  #state: State | null = null;

  constructor(path: string, env: Environment) {
    this.env = env;
    this.#path = path;
    this.#clientId = env.newId();
    this.connection = new Connection(env, {
      address: () => {
        const query = new URLSearchParams({ client_id: this.#clientId, ...this.resumption() });
        return `${env.socketUrl}/api/${this.#path}/socket?${query}`;
      },
      opened: () => {
        this.status = "syncing";
        this.publish();
      },
      received: (text) => this.received(text),
      closed: (verdict) => this.#closed(verdict),
      failed: (error) => this.failed(error),
    });
  }

  get state(): State {
    this.#state ??= this.snapshot();
    return this.#state;
  }

  subscribe(callback: () => void): Unsubscribe {
    return this.#changed.add(callback);
  }

  /** Keeps it connected until the returned function is called. Connects again if it was closed. */
  hold(): () => void {
    this.#holders += 1;
    this.connect();
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holders -= 1;
      // Later, because a component that is mounted anew leaves and joins in one go.
      queueMicrotask(() => this.releaseIfUnused());
    };
  }

  /** The client is connected: so is this, while anybody holds it or anything is unsent. */
  enable(): void {
    this.#isEnabled = true;
    this.connect();
  }

  disable(): void {
    this.#isEnabled = false;
    this.connection.stop();
    this.status = "disconnected";
    this.reason = "left";
    this.publish();
  }

  wake(): void {
    this.connection.wake();
  }

  check(): void {
    this.connection.check();
  }

  /** What an address says of the state that is already known. */
  protected resumption(): Record<string, string> {
    return {};
  }

  /** Whether anything has to reach the service before nobody needs this any more. */
  protected get isUnsaid(): boolean {
    return false;
  }

  protected abstract snapshot(): State;
  protected abstract handle(event: Event): void;
  /** The connection ended. */
  protected abstract ended(verdict: Verdict): void;
  protected abstract failed(error: ChatError): void;
  /** Nobody needs it. */
  protected abstract released(): void;

  protected connect(): void {
    if (!this.#isEnabled || (this.#holders === 0 && !this.isUnsaid)) return;
    if (this.status !== "disconnected" && this.status !== "closed") return;
    this.status = "connecting";
    this.connection.start();
    this.publish();
  }

  protected releaseIfUnused(): void {
    if (this.#holders > 0) return;
    if (this.status === "disconnected" || this.status === "closed") this.released();
    // Closing comes back here.
    else if (!this.isUnsaid) this.connection.stop();
  }

  protected received(text: string): void {
    let frame: unknown;
    try {
      frame = JSON.parse(text);
    } catch {
      this.connection.drop("protocol");
      return;
    }
    for (const event of Array.isArray(frame) ? frame : [frame]) {
      // An event before it may have ended this connection; the rest of the frame comes again on the next.
      if (this.status !== "syncing" && this.status !== "live") break;
      if (isEvent<Event>(event)) this.#received(event);
    }
    this.publish();
  }

  /** Everything that was missed has arrived. */
  protected succeeded(): void {
    this.status = "live";
    this.reason = null;
    this.connection.succeed();
  }

  /** Shows the state, if it changed, and then tells what led to it. */
  protected publish(): void {
    const next = this.snapshot();
    if (this.#state === null || !isSameState(this.#state, next)) {
      this.#state = next;
      this.#changed.emit();
    }
    const news = this.news;
    this.news = [];
    for (const tell of news) tell();
  }

  #received(event: Event): void {
    if (event.type === "auth.expiring") void this.#refreshCredential();
    this.handle(event);
    if (event.type === "ready" && event.protocol !== PROTOCOL_VERSION) this.connection.stop("protocol");
  }

  /** Keeps the connection beyond the end of its token. Without a new one it ends then, and the next asks for one. */
  async #refreshCredential(): Promise<void> {
    try {
      const token = await this.env.token();
      if (this.status === "live") this.connection.send(JSON.stringify({ type: "auth.refresh", token }));
    } catch {
      // Asked again when the service closes the connection.
    }
  }

  #closed(verdict: Verdict): void {
    const { reason, isFinal } = verdict;
    this.status = !isFinal ? "connecting" : reason === "left" ? "disconnected" : "closed";
    this.reason = reason;
    this.ended(verdict);
    this.publish();
    if (isFinal) this.releaseIfUnused();
  }
}

function isEvent<Event>(value: unknown): value is Event {
  return typeof value === "object" && value !== null && "type" in value;
}

function isSameState<State extends object>(a: State, b: State): boolean {
  return (Object.keys(a) as Array<keyof State>).every((key) => Object.is(a[key], b[key]));
}
