import type { Backoff } from "./backoff.ts";
import { Copies } from "./copies.ts";
import { indexedDbStorage } from "./indexeddb.ts";
import { COMMAND_BURST, COMMANDS_PER_SECOND, PAGE_SIZE } from "./limits.ts";
import { type NetworkListener, watchBrowser } from "./network-changes.ts";
import type { Pace } from "./pace.ts";
import { type OpenSocket, partySocket, type WebSocketConstructor } from "./socket.ts";
import type { ChatStorage } from "./storage.ts";
import { Store } from "./store.ts";
import { TokenSource } from "./token.ts";

/** How a {@link ChatClient} reaches the service, and everything it takes from its surroundings. */
export interface ChatClientOptions {
  /** Where the service is: `https://chat.example`, or a path of the page's own origin. ws and wss do as well. */
  url: string;
  /**
   * Fetches a credential that is valid now. A JWT is used until shortly before its end, by all tabs of this user; one
   * tab asks for the next. Anything else is asked for at every connection attempt and every REST call. Made of letters,
   * digits and ``!#$%&'*+-.^_`|~`` only (every JWT and UUID is): browsers refuse anything else as a WebSocket
   * subprotocol.
   */
  token: () => Promise<string> | string;
  /**
   * Whose client it is, as the token says it. With it, what was kept on this device is there at once, even offline;
   * without it, only after the first connection. A client never uses what is another user's.
   */
  userId?: string;
  /** Where unsent messages and the newest of what was seen are kept. Default: IndexedDB where there is one. */
  storage?: ChatStorage;
  /** Default: the global one. Node 20 has none; the class of the package `ws` fits. */
  WebSocket?: WebSocketConstructor;
  /** Default: the global one. */
  fetch?: typeof fetch;
  /** 0 (inclusive) to 1 (exclusive). Default: `Math.random`. */
  random?: () => number;
  /** Unix milliseconds. Default: `Date.now`. */
  now?: () => number;
  setTimeout?: (callback: () => void, delayMs: number) => unknown;
  clearTimeout?: (timer: unknown) => void;
  /**
   * Follows what says that the way to the network changed, until what it returns is called. Default: `online`, `offline` and
   * `visibilitychange` of a browser.
   */
  watchNetwork?: (listener: NetworkListener) => () => void;
  /** Makes a `temp_id`: unique for its sender forever, 1 to 64 characters. Default: 128 random bits. */
  newId?: () => string;
  /** Replaces the socket altogether; `WebSocket` is then not used. For simulations. */
  openSocket?: OpenSocket;
  /** Delays between connection attempts. Default: 250 ms to 15 s. */
  reconnect?: Partial<Backoff>;
  /** Default: a ping every 12 s, given up if nothing at all arrives within 10 s. */
  heartbeat?: Partial<Heartbeat>;
  /** How long an attempt may go without progress until it is live, milliseconds. Default: 15 000. */
  connectTimeoutMs?: number;
  /** How long a REST call may take, milliseconds. Default: 30 000. */
  requestTimeoutMs?: number;
  /** Default: the service's own rate and half of its burst, so that two devices do not trip over it. */
  pace?: Partial<Pace>;
  /** Commands sent and not yet answered, per conversation. Default: 20. */
  maxInFlight?: number;
  /** Messages that `loadOlder` asks for at a time, 1 to 100. Default: 50. */
  pageSize?: number;
}

/** How a silent connection is found out, milliseconds. */
export interface Heartbeat {
  everyMs: number;
  answerMs: number;
}

/** The options with every default filled in. */
export interface Environment {
  tokens: TokenSource;
  store: Store;
  copies: Copies;
  fetch: typeof fetch;
  random: () => number;
  now: () => number;
  setTimeout: (callback: () => void, delayMs: number) => unknown;
  clearTimeout: (timer: unknown) => void;
  newId: () => string;
  watchNetwork: (listener: NetworkListener) => () => void;
  openSocket: OpenSocket;
  reconnect: Backoff;
  heartbeat: Heartbeat;
  connectTimeoutMs: number;
  requestTimeoutMs: number;
  pace: Pace;
  maxInFlight: number;
  pageSize: number;
  /** Without a slash at the end. */
  httpUrl: string;
  socketUrl: string;
}

/**
 * @param storageChanged called when what is kept is kept elsewhere, or no longer
 * @throws TypeError when `url` is not a URL, or is relative where there is no page
 */
export function toEnvironment(options: ChatClientOptions, storageChanged: () => void): Environment {
  const base = new URL(options.url, globalThis.location?.href);
  const httpUrl = `${base.origin}${base.pathname}`.replace(/\/+$/, "").replace(/^ws/, "http");
  // Called as a method of another object, the browser's fetch and timers throw "Illegal invocation".
  const platform = {
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    random: options.random ?? Math.random,
    now: options.now ?? Date.now,
    setTimeout: options.setTimeout ?? ((callback, delayMs) => setTimeout(callback, delayMs)),
    clearTimeout: options.clearTimeout ?? ((timer) => clearTimeout(timer as number)),
  } satisfies Partial<Environment>;
  const storage = options.storage ?? browserStorage();
  const store = new Store(platform, storage, httpUrl, options.userId, storageChanged);
  return {
    ...platform,
    store,
    copies: new Copies({ store, now: platform.now }),
    tokens: new TokenSource({ ...platform, store }, options.token),
    newId: options.newId ?? randomId,
    watchNetwork: options.watchNetwork ?? watchBrowser,
    openSocket: options.openSocket ?? partySocket(options.WebSocket),
    reconnect: { firstMs: 250, maxMs: 15_000, ...options.reconnect },
    heartbeat: { everyMs: 12_000, answerMs: 10_000, ...options.heartbeat },
    connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    pace: { perSecond: COMMANDS_PER_SECOND, burst: COMMAND_BURST / 2, ...options.pace },
    maxInFlight: options.maxInFlight ?? 20,
    pageSize: options.pageSize ?? PAGE_SIZE,
    httpUrl,
    socketUrl: httpUrl.replace(/^http/, "ws"),
  };
}

/** One for all clients of the page. */
let shared: ChatStorage | undefined;

function browserStorage(): ChatStorage | undefined {
  if (globalThis.indexedDB) shared ??= indexedDbStorage();
  return shared;
}

// Not crypto.randomUUID: pages served over plain HTTP on a local network do not have it.
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
