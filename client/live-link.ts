import type { InboxEvent, ServerEvent } from "../protocol/frames.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { Connection, type StopReason, type Verdict } from "./connection.ts";
import type { Environment } from "./environment.ts";
import type { ChatError } from "./errors.ts";
import { Listeners, type Unsubscribe } from "./events.ts";
import type { Shared } from "./handle.ts";
import { Timer } from "./timer.ts";

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

/** How long a change may wait to be copied to the disk, for others that come with it. */
const COPY_DELAY_MS = 2_000;

/** After these, nothing of it may be left on this device. */
const ENDS: readonly (StopReason | null)[] = ["removed", "not_found", "deleted"];

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
  readonly #copyTimer: Timer;
  /** The version of the last copy. */
  #copied: unknown;
  #isDirty = false;
  /** Whether what is kept on this device was looked at. It says where a connection goes on from. */
  #isLoaded: boolean;

  constructor(path: string, env: Environment) {
    this.env = env;
    this.#path = path;
    this.#copyTimer = new Timer(env, () => this.keep());
    this.#isLoaded = !env.store.isOpen;
    if (!this.#isLoaded) void this.#load();
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
    this.keep();
    this.connection.stop();
    this.status = "disconnected";
    this.reason = "left";
    this.publish();
  }

  wake(): void {
    this.connection.wake();
  }

  /** Finds out whether the connection is still there. The page may not be for long, either. */
  check(): void {
    this.keep();
    this.connection.check();
  }

  /** Copies the state to the disk, if it has changed. */
  protected keep(): void {
    this.#copyTimer.stop();
    if (!this.#isDirty) return;
    this.#isDirty = false;
    this.#copied = this.version;
    void this.env.copies.save(this.#path, this.copy());
  }

  /** Another one when what is worth a copy has changed, and not for who is typing or there. */
  protected abstract get version(): unknown;
  /** What is kept of the state: JSON. */
  protected abstract copy(): object;
  /** Takes over what was kept, unless something newer is known. */
  protected abstract restore(copy: object): void;
  /** Takes over what else is kept. */
  protected restored(): Promise<void> {
    return Promise.resolve();
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
    if (this.#isLoaded) this.connection.start();
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
      if (this.status === "live" && this.version !== this.#copied && this.env.store.isOpen) {
        this.#isDirty = true;
        if (!this.#copyTimer.isRunning) this.#copyTimer.start(COPY_DELAY_MS);
      }
    }
    const news = this.news;
    this.news = [];
    for (const tell of news) tell();
  }

  #received(event: Event): void {
    if (event.type === "auth.expiring") void this.#refreshCredential();
    if (event.type === "ready" && event.protocol !== PROTOCOL_VERSION) this.connection.stop("protocol");
    else if (event.type === "ready" && !this.env.store.identify(event.user_id))
      this.connection.stop("wrong_user");
    else this.handle(event);
  }

  /** Keeps the connection beyond the end of its token. Without a new one it ends then, and the next asks for one. */
  async #refreshCredential(): Promise<void> {
    try {
      this.env.tokens.refuse();
      const token = await this.env.tokens.get();
      if (this.status === "live") this.connection.send(JSON.stringify({ type: "auth.refresh", token }));
    } catch {
      // Asked again when the service closes the connection.
    }
  }

  async #load(): Promise<void> {
    const copy = await this.env.copies.load(this.#path);
    if (copy) this.restore(copy);
    await this.restored();
    this.#isLoaded = true;
    if (this.status === "connecting") this.connection.start();
    else this.connect();
    this.publish();
  }

  #closed(verdict: Verdict): void {
    const { reason, isFinal } = verdict;
    this.keep();
    if (ENDS.includes(reason)) this.env.copies.drop(this.#path);
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
