import type { Message, Participant } from "../../protocol/entities.ts";

/** Who has read one's own newest message that anybody has read. */
export interface Receipt {
  messageId: number;
  readerIds: readonly string[];
}

/** @returns null while nobody has read anything of one's own, or nobody says so */
export function receiptOf(
  messages: readonly Message[],
  participants: readonly Participant[],
  myId: string,
): Receipt | null {
  const others = participants.filter(({ user_id }) => user_id !== myId);
  const newestRead = Math.max(0, ...others.map(({ last_read_id }) => last_read_id));
  const message = messages.findLast(
    ({ id, sender_id, type, deleted_at }) =>
      id <= newestRead && sender_id === myId && type === "user" && deleted_at === null,
  );
  if (!message) return null;
  const readers = others.filter(({ last_read_id }) => last_read_id >= message.id);
  return { messageId: message.id, readerIds: readers.map(({ user_id }) => user_id) };
}
