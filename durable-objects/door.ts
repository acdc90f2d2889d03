import { describeError } from "../db/client.ts";
import type { CredentialMarks, Revocation } from "../db/revocations.ts";
import { CLOSE, type UnauthorizedReason } from "../protocol/close-codes.ts";
import { ok, type Refusal, type Result, refuse, toErrorBody } from "../protocol/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Sql } from "./log.ts";
import { SILENCE_MS } from "./presence.ts";
import { type RateLimit, RateLimiter } from "./rate-limit.ts";
import type { Echo } from "./receive-frame.ts";
import { Revocations } from "./revocations.ts";
import type { Authenticated } from "./rpc.ts";
import { roundOf, type Session, type SessionAttachment, type SessionSocket, Sessions } from "./sessions.ts";

/** Who connects or calls, as the Worker authenticated them. */
export interface Caller {
  userId: string;
  name: string | null;
  avatarUrl: string | null;
  /** The credential's `jti`, and when it was made, Unix milliseconds; null where it does not say. */
  jti: string | null;
  issuedAtMs: number | null;
  /** Where the call comes from; null where the platform does not say. */
  address: string | null;
}

/** What a connecting client says besides who it is. */
export interface ConnectOptions {
  /** End of the credential, Unix milliseconds; null if it has none. */
  expiresAt: number | null;
  /** What the client calls itself; null if it does not. */
  clientId: string | null;
}

/** What sockets need of the platform. */
export interface DoorHost<Socket> {
  sql: Sql;
  transaction<T>(work: () => T): T;
  /** Resolves once everything written so far is durable. */
  sync(): Promise<void>;
  now(): number;
  newId(): string;
  /** Checks a credential. Throws when it cannot be checked now. */
  authenticate(token: string): Promise<Authenticated>;
  /** Of one user, and of all sockets of one address. */
  rateLimit: RateLimit;
  addressRateLimit: RateLimit;
  /** When the other end last said `ping`, Unix milliseconds; null for never. */
  heardAt(socket: Socket): number | null;
  /** One structured log line. */
  note(event: string, fields: Record<string, unknown>): void;
}

/** Silence after which a socket may give way to a new one of its user. */
const GHOST_MS = 60_000;

/** The sockets of an object: who may come in, who may stay, and how often they may speak. */
export class Door<Socket extends SessionSocket> {
  readonly sessions = new Sessions<Socket>();
  readonly #host: DoorHost<Socket>;
  readonly #limiter: RateLimiter;
  readonly #addressLimiter: RateLimiter;
  readonly #revocations: Revocations;
  /** Told that there is a new time at which {@link nextRound} has something to do. */
  readonly #wakeAt: (timeMs: number) => void;

  constructor(host: DoorHost<Socket>, wakeAt: (timeMs: number) => void) {
    this.#host = host;
    this.#wakeAt = wakeAt;
    this.#limiter = new RateLimiter(host.rateLimit);
    this.#addressLimiter = new RateLimiter(host.addressRateLimit);
    this.#revocations = new Revocations(host.sql);
  }

  /** Lets a socket in, or says why not. @param accept makes it live and keeps the attachment with it */
  open(
    socket: Socket,
    caller: Caller,
    { expiresAt, clientId }: ConnectOptions,
    accept: (attachment: SessionAttachment) => void,
  ): Result<Session<Socket>> {
    const { userId, jti, issuedAtMs, address } = caller;
    if (this.#revocations.covers(caller)) return refuse("UNAUTHORIZED", "revoked");
    this.#replace(userId, clientId);
    if (!this.#hasRoom(userId)) {
      return refuse("RATE_LIMITED", `More than ${LIMITS.socketsPerUser} connections of one user.`);
    }
    const connectedAt = this.#host.now();
    const attachment = { userId, clientId, expiresAt, connectedAt, jti, issuedAtMs, address };
    accept(attachment);
    const session = this.sessions.add(socket, attachment);
    this.#wakeAt(roundOf(session) ?? Number.POSITIVE_INFINITY);
    return ok(session);
  }

  /** Charges the user for a command, valid or not. @returns the refusal when they may not send one now */
  charge(userId: string, address: string | null = null): Refusal | null {
    const now = this.#host.now();
    const waitMs =
      this.#limiter.take(userId, now) || (address === null ? 0 : this.#addressLimiter.take(address, now));
    if (waitMs === 0) return null;
    return refuse("RATE_LIMITED", "Too many messages. Slow down.", { retry_after_ms: waitMs }).error;
  }

  /** Whether the socket may still speak; one whose credential ended is closed here. */
  admits(socket: Socket): boolean {
    const session = this.sessions.get(socket);
    if (!session) return false;
    session.heardAt = this.#host.now();
    if (session.expiresAt === null || session.expiresAt > session.heardAt) return true;
    this.sessions.close(session, CLOSE.unauthorized, "expired");
    return false;
  }

  /** Puts a new credential of the same user in the place of the session's own; answers with `auth.refreshed` or `error`. */
  async refresh(socket: Socket, { token, ref }: { token: string; ref?: string | undefined }): Promise<void> {
    const echo = ref === undefined ? {} : { ref };
    const checked = await this.#check(token);
    // It may have closed meanwhile, or its old credential may have ended.
    const session = this.admits(socket) ? this.sessions.get(socket) : undefined;
    if (!session) return;
    if (!checked.ok) return this.sendError(socket, checked.error, echo);
    if (!checked.value.ok) return this.sendError(socket, notAccepted(checked.value.reason), echo);
    const { userId, expiresAt, jti, issuedAtMs } = checked.value.identity;
    if (userId !== session.userId) {
      const message = "The credential is another user's.";
      return this.sendError(socket, refuse("FORBIDDEN", message).error, echo);
    }
    if (this.isRevoked({ userId, jti, issuedAtMs })) {
      return this.sendError(socket, notAccepted("revoked"), echo);
    }
    this.sessions.refresh(session, { expiresAt, jti, issuedAtMs });
    this.#wakeAt(roundOf(session) ?? Number.POSITIVE_INFINITY);
    this.sessions.send(session, {
      type: "auth.refreshed",
      ...echo,
      expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    });
  }

  /** Ends credentials before their time: closes their sessions, and lets them in no more. */
  async revoke(revocation: Revocation): Promise<void> {
    this.#host.transaction(() => this.#revocations.add(revocation, this.#host.now()));
    await this.#host.sync();
    for (const session of this.sessions.ofUser(revocation.userId)) {
      if (this.#revocations.covers(session)) this.sessions.close(session, CLOSE.unauthorized, "revoked");
    }
  }

  isRevoked(marks: CredentialMarks): boolean {
    return this.#revocations.covers(marks);
  }

  /** When anything was heard of the session, Unix milliseconds. */
  heardAt(session: Session<Socket>): number {
    return Math.max(session.connectedAt, session.heardAt, this.#host.heardAt(session.socket) ?? 0);
  }

  /** Closes the sessions whose other end says nothing any more. @returns when the next one may be found to be one */
  closeSilent(sessions: Iterable<Session<Socket>>): number | null {
    const now = this.#host.now();
    let next: number | null = null;
    for (const session of sessions) {
      const heardAt = Math.min(now, this.heardAt(session));
      if (heardAt + SILENCE_MS <= now) this.sessions.close(session, CLOSE.tryAgain, "silent");
      else next = Math.min(next ?? Number.POSITIVE_INFINITY, heardAt + SILENCE_MS);
    }
    return next;
  }

  /** Tells one socket of a refusal. */
  sendError(socket: Socket, refusal: Refusal, echo: Echo = {}): void {
    const session = this.sessions.get(socket);
    if (session) {
      const error = toErrorBody(refusal, this.#host.newId());
      this.sessions.send(session, { type: "error", ...echo, error });
    }
  }

  /** Closes sessions whose credential ended, and warns those whose credential ends soon. */
  round(): void {
    this.sessions.closeExpired(this.#host.now());
    this.sessions.warnExpiring(this.#host.now());
  }

  async #check(token: string): Promise<Result<Authenticated>> {
    try {
      return ok(await this.#host.authenticate(token));
    } catch (error) {
      const message = "Credentials cannot be checked now.";
      this.#host.note("unavailable", { message, error: describeError(error) });
      return refuse("SERVICE_UNAVAILABLE", message, { retry_after_ms: 2_000 });
    }
  }

  /**
   * Ends the earlier session of a client that connects anew: whatever is still on its way over the old connection
   * was sent again by then, and may not be carried out after it.
   */
  #replace(userId: string, clientId: string | null): void {
    if (clientId === null) return;
    for (const session of this.sessions.ofUser(userId))
      if (session.clientId === clientId) this.sessions.close(session, CLOSE.done, "replaced");
  }

  #hasRoom(userId: string): boolean {
    const open = this.sessions.ofUser(userId);
    if (open.length < LIMITS.socketsPerUser) return true;
    // A browser that vanished leaves its socket open here: it may not lock its user out.
    const since = this.#host.now() - GHOST_MS;
    const ghosts = open.filter((session) => this.heardAt(session) < since);
    for (const ghost of ghosts) this.sessions.close(ghost, CLOSE.tryAgain, "silent");
    return open.length - ghosts.length < LIMITS.socketsPerUser;
  }
}

const notAccepted = (reason: UnauthorizedReason): Refusal =>
  refuse("UNAUTHORIZED", "The credential is not accepted: get a new one.", {
    details: [{ path: "token", message: reason }],
  }).error;
