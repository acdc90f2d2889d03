import { CLOSE } from "../protocol/close-codes.ts";
import { type Refusal, refuse } from "../protocol/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Check } from "../protocol/validation.ts";
import { closeQuietly, type SessionSocket } from "./sessions.ts";

/** Whoever's sockets the frames come over. */
export interface FrameReceiver<Socket, Command> {
  /** Whether the socket may still speak. */
  admits(socket: Socket): boolean;
  disconnect(socket: Socket): void;
  /**
   * Charges the sender for one command before it is looked at.
   *
   * @param mayOvertake whether it need not wait for a command that was refused before it
   * @returns false when they may not send one now; they have been told, with `echo`
   */
  charge(socket: Socket, echo: Echo, mayOvertake: boolean): boolean;
  carryOut(socket: Socket, command: Command): void;
  sendError(socket: Socket, refusal: Refusal, echo: Echo): void;
}

/** What an answer repeats of its command. */
export interface Echo {
  ref?: string;
  temp_id?: string;
}

/** Carries out what a frame of a client asks for, or says what is wrong with it. */
export function receiveFrame<Socket extends SessionSocket, Command>(
  receiver: FrameReceiver<Socket, Command>,
  check: Check<Command>,
  socket: Socket,
  frame: string | ArrayBuffer,
): void {
  if (!receiver.admits(socket)) return;
  const parsed = parseFrame(frame);
  if (!parsed.ok) {
    receiver.disconnect(socket);
    closeQuietly(socket, parsed.close, parsed.reason);
    return;
  }
  for (const item of parsed.items) {
    const echo = echoOf(item);
    // Before validation, so that nonsense is limited like sense.
    if (!receiver.charge(socket, echo, isAside(item))) continue;
    const checked = check(item);
    if (checked.ok) {
      receiver.carryOut(socket, checked.value);
    } else {
      const { details } = checked;
      receiver.sendError(
        socket,
        refuse("VALIDATION_FAILED", "The command is not valid.", { details }).error,
        echo,
      );
    }
  }
}

/** Commands that have no place in the order of messages, and need not wait for one that was refused. */
const ASIDE: readonly unknown[] = ["auth.refresh", "read.update", "typing"];

const isAside = (item: unknown): boolean =>
  typeof item === "object" && item !== null && ASIDE.includes((item as { type?: unknown }).type);

type ParsedFrame = { ok: true; items: unknown[] } | { ok: false; close: number; reason: string };

function parseFrame(frame: string | ArrayBuffer): ParsedFrame {
  if (typeof frame !== "string") {
    return { ok: false, close: CLOSE.protocolViolation, reason: "frames are text" };
  }
  // A UTF-16 unit is at most 3 bytes of UTF-8, so most frames need no encoding to be measured.
  if (frame.length * 3 > LIMITS.frameBytes && new TextEncoder().encode(frame).length > LIMITS.frameBytes) {
    return {
      ok: false,
      close: CLOSE.frameTooLarge,
      reason: `frames have at most ${LIMITS.frameBytes} bytes`,
    };
  }
  try {
    const value: unknown = JSON.parse(frame);
    const items = Array.isArray(value) ? value : [value];
    if (items.length <= LIMITS.frameCommands) return { ok: true, items };
    const reason = `frames have at most ${LIMITS.frameCommands} commands`;
    return { ok: false, close: CLOSE.protocolViolation, reason };
  } catch {
    return { ok: false, close: CLOSE.protocolViolation, reason: "frames are JSON" };
  }
}

/** `ref` and `temp_id` of whatever came, where they are short enough to be given back. */
function echoOf(item: unknown): Echo {
  if (typeof item !== "object" || item === null) return {};
  const { ref, temp_id } = item as { ref?: unknown; temp_id?: unknown };
  return {
    ...(typeof ref === "string" && ref.length <= LIMITS.refLength ? { ref } : {}),
    ...(typeof temp_id === "string" && temp_id.length <= LIMITS.tempIdLength ? { temp_id } : {}),
  };
}
