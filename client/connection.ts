import { CLOSE, isTerminalClose } from "../protocol/close-codes.ts";
import { BEARER_SUBPROTOCOL_PREFIX, HEARTBEAT, SUBPROTOCOL } from "../protocol/version.ts";
import { backoffMs } from "./backoff.ts";
import type { Environment } from "./environment.ts";
import { ChatError, chatError, networkError } from "./errors.ts";
import type { Socket } from "./socket.ts";
import { Timer } from "./timer.ts";

/**
 * Why a connection is not there.
 * - `left`: `disconnect` was called, or the last handle left
 * - `connection_lost`: the network or the server went away
 * - `no_answer`: the other side fell silent without closing
 * - `out_of_step`: what arrived had a gap; connecting again fetches it
 * - `token_failed`: the `token` function threw
 * - `too_many_connections`: more sockets of this user than the service allows
 *
 * and those after which it stays closed:
 * - `unauthorized`: the service refused fresh tokens three times in a row
 * - `token_malformed`: the token cannot be sent as a subprotocol
 * - `removed`: the user is no longer a participant
 * - `not_found`: there is no such conversation for this user
 * - `deleted`: the conversation was deleted
 * - `protocol`: client and server do not understand each other
 * - `frame_too_large`: a frame was larger than the service takes
 * - `wrong_user`: the token is of another user than the client's
 */
export type StopReason =
  | "left"
  | "connection_lost"
  | "no_answer"
  | "out_of_step"
  | "token_failed"
  | "too_many_connections"
  | "unauthorized"
  | "token_malformed"
  | "removed"
  | "not_found"
  | "deleted"
  | "protocol"
  | "frame_too_large"
  | "wrong_user";

/** What a closed connection does next. */
export interface Verdict {
  reason: StopReason;
  isFinal: boolean;
}

/** Refused tokens in a row after which a connection stops asking for another. */
const MAX_REFUSALS = 3;
/** A connection that was live this long starts its backoff anew; a shorter one counts as a failure. */
const STABLE_MS = 5_000;
/** Pings in a row without a pong: it may have to wait for a long replay, but not for ever. */
const MAX_UNANSWERED_PINGS = 2;
/** Characters of a subprotocol: the `token` of RFC 9110, section 5.6.2. */
const SUBPROTOCOL_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What a close code means. @param refusals tokens refused in a row, this one included */
export function judgeClose(code: number, refusals: number): Verdict {
  switch (code) {
    case CLOSE.unauthorized:
      return { reason: "unauthorized", isFinal: refusals >= MAX_REFUSALS };
    case CLOSE.removed:
      return { reason: "removed", isFinal: true };
    case CLOSE.conversationNotFound:
      return { reason: "not_found", isFinal: true };
    case CLOSE.frameTooLarge:
      return { reason: "frame_too_large", isFinal: true };
    case CLOSE.tooManyConnections:
      return { reason: "too_many_connections", isFinal: false };
    default:
      return isTerminalClose(code)
        ? { reason: "protocol", isFinal: true }
        : { reason: "connection_lost", isFinal: false };
  }
}

/** What a connection tells its owner. */
export interface ConnectionOwner {
  /** The address of the next attempt. */
  address(): string;
  opened(): void;
  /** A text frame other than the heartbeat's. */
  received(text: string): void;
  /** It is gone. Unless the verdict is final, another attempt follows. */
  closed(verdict: Verdict): void;
  failed(error: ChatError): void;
}

/** A link that keeps coming back: token, attempt, heartbeat, backoff. What is said over it is its owner's. */
export class Connection {
  readonly #env: Environment;
  readonly #owner: ConnectionOwner;
  readonly #retry: Timer;
  readonly #progress: Timer;
  readonly #ping: Timer;
  readonly #answer: Timer;
  /** Raised at every beginning and end, so that whatever belongs to an earlier attempt is known by its number. */
  #attempt = 0;
  #phase: "idle" | "waiting" | "opening" | "open" = "idle";
  #socket: Socket | null = null;
  #failures = 0;
  #refusals = 0;
  #liveSince: number | null = null;
  #unansweredPings = 0;

  constructor(env: Environment, owner: ConnectionOwner) {
    this.#env = env;
    this.#owner = owner;
    this.#retry = new Timer(env, () => this.#open());
    this.#progress = new Timer(env, () => this.drop("no_answer"));
    this.#ping = new Timer(env, () => this.#beat());
    this.#answer = new Timer(env, () => this.drop("no_answer"));
  }

  /** Connects, unless it already does. */
  start(): void {
    if (this.#phase !== "idle") return;
    this.#failures = 0;
    this.#refusals = 0;
    this.#open();
  }

  /** Ends it for good. Nothing is running afterwards. */
  stop(reason: StopReason = "left"): void {
    if (this.#phase !== "idle") this.#end({ reason, isFinal: true });
  }

  /** Ends this attempt and makes another after a backoff. */
  drop(reason: StopReason): void {
    if (this.#phase === "opening" || this.#phase === "open") this.#end({ reason, isFinal: false });
  }

  /** Everything missed has arrived: the attempt has succeeded. */
  succeed(): void {
    this.#progress.stop();
    this.#refusals = 0;
    this.#liveSince = this.#env.now();
  }

  send(text: string): void {
    this.#socket?.send(text);
  }

  /** Tries at once if it was waiting; otherwise finds out whether the other side is still there. */
  wake(): void {
    if (this.#phase === "waiting") this.#open();
    else this.check();
  }

  /** Finds out whether the other side is still there. */
  check(): void {
    if (this.#phase === "open" && !this.#answer.isRunning) this.#sendPing();
  }

  #open(): void {
    this.#retry.stop();
    this.#phase = "opening";
    this.#attempt += 1;
    this.#progress.start(this.#env.connectTimeoutMs);
    void this.#openWithToken(this.#attempt);
  }

  async #openWithToken(attempt: number): Promise<void> {
    const isCurrent = () => attempt === this.#attempt;
    let token: string;
    try {
      token = await this.#env.tokens.get();
    } catch (error) {
      if (isCurrent()) this.#tokenFailed(error);
      return;
    }
    if (!isCurrent()) return;
    if (typeof token !== "string" || !SUBPROTOCOL_TOKEN.test(token)) {
      this.#end({ reason: "token_malformed", isFinal: true });
      this.#owner.failed(malformedToken());
      return;
    }
    this.#socket = this.#env.openSocket(
      this.#owner.address(),
      [SUBPROTOCOL, BEARER_SUBPROTOCOL_PREFIX + token],
      {
        opened: () => {
          if (isCurrent()) this.#opened();
        },
        received: (data) => {
          if (isCurrent()) this.#received(data);
        },
        closed: (code) => {
          if (isCurrent()) this.#closed(code);
        },
      },
    );
  }

  #tokenFailed(cause: unknown): void {
    const error =
      cause instanceof ChatError ? cause : networkError("The token function of the client failed.", cause);
    if (error.code === "UNAUTHORIZED") this.#closed(CLOSE.unauthorized);
    else this.drop("token_failed");
    this.#owner.failed(error);
  }

  #opened(): void {
    this.#phase = "open";
    this.#unansweredPings = 0;
    this.#progress.start(this.#env.connectTimeoutMs);
    this.#ping.start(this.#env.heartbeat.everyMs);
    this.#owner.opened();
  }

  #received(data: unknown): void {
    this.#answer.stop();
    if (data === HEARTBEAT.pong) {
      this.#unansweredPings = 0;
      return;
    }
    if (this.#progress.isRunning) this.#progress.start(this.#env.connectTimeoutMs);
    if (typeof data === "string") this.#owner.received(data);
  }

  #beat(): void {
    // What others say still arrives while the own words go nowhere: only a pong has been there and back.
    if (this.#unansweredPings >= MAX_UNANSWERED_PINGS) {
      this.drop("no_answer");
      return;
    }
    // During a sync, pongs wait behind it, and its progress is watched anyway.
    if (!this.#progress.isRunning) this.#unansweredPings += 1;
    this.#sendPing();
  }

  #sendPing(): void {
    this.#ping.start(this.#env.heartbeat.everyMs);
    if (!this.#answer.isRunning) this.#answer.start(this.#env.heartbeat.answerMs);
    this.send(HEARTBEAT.ping);
  }

  #closed(code: number): void {
    if (code === CLOSE.unauthorized) {
      this.#refusals += 1;
      this.#env.tokens.refuse();
    }
    this.#end(judgeClose(code, this.#refusals));
  }

  #end(verdict: Verdict): void {
    this.#attempt += 1;
    for (const timer of [this.#retry, this.#progress, this.#ping, this.#answer]) timer.stop();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    const { now, random, reconnect } = this.#env;
    const wasStable = this.#liveSince !== null && now() - this.#liveSince >= STABLE_MS;
    this.#failures = wasStable ? 1 : this.#failures + 1;
    this.#liveSince = null;
    this.#phase = verdict.isFinal ? "idle" : "waiting";
    if (!verdict.isFinal) this.#retry.start(backoffMs(reconnect, this.#failures, random()));
    this.#owner.closed(verdict);
  }
}

const malformedToken = (): ChatError =>
  chatError(
    "UNAUTHORIZED",
    "The token cannot be sent as a WebSocket subprotocol: letters, digits and !#$%&'*+-.^_`|~ only.",
  );
