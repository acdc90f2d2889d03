import { CLOSE } from "../protocol/close-codes.ts";
import type { Refusal } from "../protocol/errors.ts";
import type { InboxEvent, ServerEvent } from "../protocol/frames.ts";
import type { Keepsake } from "./inbox-state.ts";

/** What is said over a socket of either kind. */
export type SocketEvent = ServerEvent | InboxEvent;

/** The part of a WebSocket that a session uses. */
export interface SessionSocket {
  send(text: string): void;
  close(code: number, reason: string): void;
  /** Keeps what must survive hibernation. */
  serializeAttachment(attachment: SessionAttachment): void;
}

/** What survives hibernation with a socket. */
export interface SessionAttachment {
  userId: string;
  /** What the client calls itself; null if it does not. */
  clientId: string | null;
  /** End of the credential, Unix milliseconds; null if it has none. */
  expiresAt: number | null;
  connectedAt: number;
  /** The `jti` of the credential, and when it was made, Unix milliseconds; null where it does not say. */
  jti: string | null;
  issuedAtMs: number | null;
  /** Where the socket comes from, as the platform says; null where it does not. */
  address: string | null;
  /** Of an inbox: its counts. */
  keepsake?: Keepsake | undefined;
}

/** The object's record of one open socket. */
export interface Session<Socket extends SessionSocket> extends SessionAttachment {
  socket: Socket;
  /** When a command came over it last, as far as this instance knows. */
  heardAt: number;
  /** Commands that came over it so far. */
  commands: number;
  hold: Hold | null;
  /** Whether it knows that its credential ends soon. */
  isWarned: boolean;
}

/** A command as its sender and its session know it. */
export interface CommandPlace {
  /** `temp_id` or `ref`. */
  key: string | undefined;
  /** Its number among the commands of the session. */
  number: number;
}

/**
 * A command that was refused for now. What its sender has sent after it is refused as well until it comes again, or
 * the order of their messages would change.
 */
interface Hold extends CommandPlace {
  refusal: Refusal;
  untilMs: number;
  /** How many commands it has held back. */
  held: number;
}

/** Longer than a refusal needs to arrive and its command to come again; then its sender has given it up. */
const HOLD_MS = 60_000;
/** And more than a client has under way, should the clock have been set forward in between. */
const HOLD_COMMANDS = 20;

/** Makes what follows a refused command wait for it, unless something waits for an earlier one already. */
export function holdFor(
  session: Pick<Session<SessionSocket>, "hold">,
  place: CommandPlace,
  refusal: Refusal,
  nowMs: number,
): void {
  const { hold } = session;
  const isEarlier = !hold || isGivenUp(hold, nowMs) || place.number < hold.number;
  if (place.key !== undefined && isEarlier)
    session.hold = { ...place, refusal, untilMs: nowMs + HOLD_MS, held: 0 };
}

/** Why a command may not be carried out before an earlier one; null if it may. The earlier one ends the hold. */
export function heldBack(
  session: Pick<Session<SessionSocket>, "hold">,
  { key, number }: CommandPlace,
  nowMs: number,
): Refusal | null {
  const { hold } = session;
  if (!hold || number <= hold.number) return null;
  if (hold.key === key || isGivenUp(hold, nowMs)) {
    session.hold = null;
    return null;
  }
  hold.held += 1;
  return hold.refusal;
}

/** A moment that is further away than was ever set means that the clock was set back: then it does not count. */
const isGivenUp = ({ untilMs, held }: Hold, nowMs: number): boolean =>
  (untilMs <= nowMs || untilMs - nowMs > HOLD_MS) && held >= HOLD_COMMANDS;

/** What is to survive with the session's socket. */
export function attachmentOf({
  userId,
  clientId,
  expiresAt,
  connectedAt,
  jti,
  issuedAtMs,
  address,
}: SessionAttachment): SessionAttachment {
  return { userId, clientId, expiresAt, connectedAt, jti, issuedAtMs, address };
}

/** The open sockets of one object. */
export class Sessions<Socket extends SessionSocket> {
  readonly #bySocket = new Map<Socket, Session<Socket>>();
  readonly #ofUser = new Map<string, Set<Session<Socket>>>();
  /** Told of every session that ended, however it did. */
  onEnd: ((session: Session<Socket>) => void) | null = null;
  /** What survives with a session's socket. */
  keep: (session: Session<Socket>) => SessionAttachment = attachmentOf;

  add(socket: Socket, attachment: SessionAttachment): Session<Socket> {
    const session: Session<Socket> = {
      ...attachment,
      socket,
      heardAt: attachment.connectedAt,
      commands: 0,
      hold: null,
      isWarned: false,
    };
    this.remove(socket);
    this.#bySocket.set(socket, session);
    const others = this.#ofUser.get(session.userId);
    if (others) others.add(session);
    else this.#ofUser.set(session.userId, new Set([session]));
    return session;
  }

  get(socket: Socket): Session<Socket> | undefined {
    return this.#bySocket.get(socket);
  }

  /** @returns the session that ended; undefined when there was none */
  remove(socket: Socket): Session<Socket> | undefined {
    const session = this.#bySocket.get(socket);
    if (!session) return undefined;
    this.#bySocket.delete(socket);
    const others = this.#ofUser.get(session.userId);
    others?.delete(session);
    if (others?.size === 0) this.#ofUser.delete(session.userId);
    this.onEnd?.(session);
    return session;
  }

  ofUser(userId: string): Session<Socket>[] {
    return [...(this.#ofUser.get(userId) ?? [])];
  }

  /** Users with an open socket, as they are at any moment: not a copy. */
  get online(): { has(userId: string): boolean } {
    return this.#ofUser;
  }

  /** All of them, as they are now. */
  all(): Session<Socket>[] {
    return [...this.#bySocket.values()];
  }

  get size(): number {
    return this.#bySocket.size;
  }

  /** When the next session is to be warned or closed because its credential ends; null when none ends. */
  nextRound(): number | null {
    let next: number | null = null;
    for (const session of this.#bySocket.values()) {
      const round = roundOf(session);
      if (round !== null && (next === null || round < next)) next = round;
    }
    return next;
  }

  /** Tells those whose credential ends before the next round, once. */
  warnExpiring(nowMs: number): void {
    for (const session of this.#bySocket.values()) {
      const { expiresAt } = session;
      if (session.isWarned || expiresAt === null || warnedAt(expiresAt) > nowMs) continue;
      session.isWarned = true;
      this.send(session, { type: "auth.expiring", expires_at: new Date(expiresAt).toISOString() });
    }
  }

  /** Puts a new credential of the same user in the place of the old one. */
  refresh(
    session: Session<Socket>,
    credential: Pick<SessionAttachment, "expiresAt" | "jti" | "issuedAtMs">,
  ): void {
    // The same credential again ends no later, and its end need not be told again.
    const isLater = (credential.expiresAt ?? Number.POSITIVE_INFINITY) > (session.expiresAt ?? 0);
    Object.assign(session, credential, { isWarned: session.isWarned && !isLater });
    session.socket.serializeAttachment(this.keep(session));
  }

  /** Keeps with every socket what {@link keep} says. */
  keepAll(): void {
    for (const session of this.#bySocket.values()) session.socket.serializeAttachment(this.keep(session));
  }

  /**
   * Tells everybody whose credential still holds, in frames serialised once; closes those whose credential ended.
   *
   * @param eventsFor what a user is told instead; null for what all are told
   */
  broadcast(
    events: readonly SocketEvent[],
    nowMs: number,
    eventsFor: (userId: string) => readonly SocketEvent[] | null = () => null,
  ): void {
    const frames = encodeFrames(events);
    for (const session of this.#bySocket.values()) {
      if (isExpired(session, nowMs)) {
        this.close(session, CLOSE.unauthorized, "expired");
        continue;
      }
      const own = eventsFor(session.userId);
      for (const frame of own ? encodeFrames(own) : frames) this.#send(session, frame);
    }
  }

  send(session: Session<Socket>, ...events: SocketEvent[]): void {
    for (const frame of encodeFrames(events)) this.sendFrame(session, frame);
  }

  /** Sends what is serialised already. */
  sendFrame(session: Session<Socket>, text: string): void {
    if (this.#bySocket.has(session.socket)) this.#send(session, text);
  }

  close(session: Session<Socket>, code: number, reason: string): void {
    this.remove(session.socket);
    closeQuietly(session.socket, code, reason);
  }

  closeAll(code: number, reason: string): void {
    for (const session of [...this.#bySocket.values()]) this.close(session, code, reason);
  }

  closeExpired(nowMs: number): void {
    for (const session of [...this.#bySocket.values()]) {
      if (isExpired(session, nowMs)) this.close(session, CLOSE.unauthorized, "expired");
    }
  }

  #send(session: Session<Socket>, text: string): void {
    try {
      session.socket.send(text);
    } catch {
      // Already gone; its close event may be a while.
      this.close(session, CLOSE.tryAgain, "send failed");
    }
  }
}

/** Characters after which events go on in another frame. */
const FRAME_CHARACTERS = 256 * 1024;

/** Events as the fewest frames of a bounded size, in order: an array where several share one. */
export function encodeFrames(events: readonly SocketEvent[]): string[] {
  const frames: string[] = [];
  let parts: string[] = [];
  let characters = 0;
  const flush = (): void => {
    if (parts.length > 0) frames.push(parts.length === 1 ? parts.join() : `[${parts.join(",")}]`);
    parts = [];
    characters = 0;
  };
  for (const event of events) {
    const text = JSON.stringify(event);
    if (characters + text.length > FRAME_CHARACTERS) flush();
    parts.push(text);
    characters += text.length;
  }
  flush();
  return frames;
}

/** Sessions are warned and closed in rounds this far apart, so that an idle object is woken for all of them at once. */
const ROUND_MS = 60_000;

/** The last round but one before the credential ends. */
const warnedAt = (expiresAt: number): number => (Math.floor(expiresAt / ROUND_MS) - 1) * ROUND_MS;

/** The round that the session waits for: the one that warns it, then the first after its credential ended. */
export function roundOf({ expiresAt, isWarned, connectedAt }: Session<SessionSocket>): number | null {
  if (expiresAt === null) return null;
  const warned = warnedAt(expiresAt);
  // Who connects in the last moments learns when it ends from `ready`.
  if (!isWarned && warned > connectedAt) return warned;
  return Math.ceil(expiresAt / ROUND_MS) * ROUND_MS;
}

export const isExpired = ({ expiresAt }: SessionAttachment, nowMs: number): boolean =>
  expiresAt !== null && expiresAt <= nowMs;

/** Closes a socket that may be closed already. Codes that only a runtime may report become 1000. */
export function closeQuietly(socket: SessionSocket, code: number, reason: string): void {
  const sendable =
    code === 1000 ||
    (code >= 1001 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
    (code >= 3000 && code <= 4999);
  try {
    socket.close(sendable ? code : CLOSE.done, sendable ? reason : "");
  } catch {
    // Nothing left to close.
  }
}

/** How a refused connection is closed. */
export function closeCodeOf({ code }: Refusal): number {
  switch (code) {
    case "CONVERSATION_NOT_FOUND":
      return CLOSE.conversationNotFound;
    case "RATE_LIMITED":
      return CLOSE.tooManyConnections;
    case "UNAUTHORIZED":
      return CLOSE.unauthorized;
    default:
      return CLOSE.tryAgain;
  }
}
