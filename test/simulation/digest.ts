import type { Message } from "../../protocol/entities.ts";
import type { Row } from "../checker/history.ts";

/** Equal for equal bodies: bodies here are small enough to be their own digest. */
export const hashOf = ({ text, data }: Pick<NonNullable<Message["body"]>, "text" | "data">): string =>
  text ?? JSON.stringify(data);

export function rowOf({ id, seq, sender_id, temp_id, body }: Message): Row {
  return { id, seq, sender: sender_id, temp_id, hash: body === null ? null : hashOf(body) };
}

/** Ids as runs of consecutive ones, in the order given. */
export function rangesOf(messages: readonly { id: number }[]): Array<[number, number]> {
  const ranges: Array<[number, number]> = [];
  for (const { id } of messages) {
    const last = ranges.at(-1);
    if (last && last[1] === id - 1) last[1] = id;
    else ranges.push([id, id]);
  }
  return ranges;
}
