import { findUncleanJson } from "../protocol/clean-json.ts";
import { CLOSE } from "../protocol/close-codes.ts";
import { type Refusal, refuse } from "../protocol/errors.ts";
import { command, type RefreshCommand } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import { toDetails } from "../protocol/validation.ts";
import type { MessageCommand } from "./commands.ts";
import type { ConversationCore } from "./conversation-core.ts";
import { closeQuietly, type SessionSocket } from "./sessions.ts";

/** Carries out what a frame of a client asks for, or says what is wrong with it. */
export function receiveFrame<Socket extends SessionSocket>(
  core: ConversationCore<Socket>,
  socket: Socket,
  frame: string | ArrayBuffer,
): void {
  if (!core.admits(socket)) return;
  const parsed = parseFrame(frame);
  if (!parsed.ok) {
    core.disconnect(socket);
    closeQuietly(socket, parsed.close, parsed.reason);
    return;
  }
  for (const item of parsed.items) {
    // Before validation, so that nonsense is limited like sense.
    if (!core.charge(socket, echoOf(item), isRefresh(item))) continue;
    const checked = checkCommand(item);
    if (!checked.ok) core.sendError(socket, checked.refusal, checked.echo);
    else if (checked.command.type === "auth.refresh") void core.refresh(socket, checked.command);
    else core.receive(socket, checked.command);
  }
}

/** Whether it only concerns the session itself: then it need not wait for a message that was refused. */
const isRefresh = (item: unknown): boolean =>
  typeof item === "object" && item !== null && (item as { type?: unknown }).type === "auth.refresh";

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

type CheckedCommand =
  | { ok: true; command: (MessageCommand | RefreshCommand) & { ref?: string | undefined } }
  | { ok: false; refusal: Refusal; echo: { ref?: string; temp_id?: string } };

function checkCommand(item: unknown): CheckedCommand {
  const unclean = findUncleanJson(item);
  const parsed = command.safeParse(item);
  if (!unclean && parsed.success)
    return { ok: true, command: parsed.data as (MessageCommand | RefreshCommand) & { ref?: string } };
  const details = unclean ? [unclean] : toDetails(parsed.error);
  return {
    ok: false,
    refusal: refuse("VALIDATION_FAILED", "The command is not valid.", { details }).error,
    echo: echoOf(item),
  };
}

/** `ref` and `temp_id` of whatever came, where they are short enough to be given back. */
function echoOf(item: unknown): { ref?: string; temp_id?: string } {
  if (typeof item !== "object" || item === null) return {};
  const { ref, temp_id } = item as { ref?: unknown; temp_id?: unknown };
  return {
    ...(typeof ref === "string" && ref.length <= LIMITS.refLength ? { ref } : {}),
    ...(typeof temp_id === "string" && temp_id.length <= LIMITS.tempIdLength ? { temp_id } : {}),
  };
}
