import { ChatError } from "../../client/index.ts";
import type { Conversation, Participant } from "../../protocol/entities.ts";
import { describeError } from "./errors.ts";
import type { Words } from "./i18n.ts";

/** What a participant may do to a group; the service decides, this is what to offer. */
export function rightsOf(
  { type }: Conversation,
  participants: readonly Participant[],
  myId: string,
): { canManage: boolean; canLeave: boolean; isOnlyAdmin: boolean } {
  const admins = participants.filter(({ role }) => role === "admin");
  const isAdmin = admins.some(({ user_id }) => user_id === myId);
  const isIn = participants.some(({ user_id }) => user_id === myId);
  const isOnlyAdmin = isAdmin && admins.length === 1 && participants.length > 1;
  const isGroup = type === "group";
  return { canManage: isGroup && isAdmin, canLeave: isGroup && isIn, isOnlyAdmin };
}

/** What a user can understand of a refused change of a group. */
export function groupError(error: unknown, t: Words): string | null {
  if (error === null) return null;
  const isConflict = error instanceof ChatError && error.code === "CONFLICT";
  return `${t.changeFailed} ${isConflict ? t.needsAdmin : describeError(error, t)}`;
}
