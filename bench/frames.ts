/** The events of one frame, read once for all who get the same bytes. */
export interface Frame {
  bytes: Buffer;
  /** Ids of the messages, as they stand in the frame. */
  ids: number[];
  /** What the generator called each of them: `numbers[i]` belongs to `ids[i]`. */
  numbers: number[];
  /** Whether each id is the one before it plus one. */
  isContiguous: boolean;
}

const EVENT = Buffer.from('"type":"message.created"');
const ID = Buffer.from('"id":');
const RECENT_FRAMES = 512;

/** How the generator names its messages, so that it knows them again: `<prefix>-<number>`. */
export const tempIdOf = (prefix: string, number: number): string => `${prefix}-${number}`;

/**
 * Finds ids and `temp_id`s without parsing JSON. A frame that has just been read for one member is compared, not
 * read again for the next: a thousand members cost a thousand comparisons of memory.
 */
export class FrameReader {
  readonly #tempId: Buffer;
  readonly #recent = new Map<number, Frame>();

  /** @param prefix of all `temp_id`s that may occur */
  constructor(prefix: string) {
    this.#tempId = Buffer.from(`"temp_id":"${prefix}-`);
  }

  /**
   * @returns null when there is no message in it
   * @throws {Error} when a message has no id, or a `temp_id` of somebody else
   */
  read(payload: Buffer): Frame | null {
    if (payload.indexOf(EVENT) < 0) return null;
    const first = this.#numberAfter(payload, this.#tempId, 0);
    const known = this.#recent.get(first);
    if (known && known.bytes.length === payload.length && known.bytes.equals(payload)) return known;

    const frame: Frame = { bytes: Buffer.from(payload), ids: [], numbers: [], isContiguous: true };
    for (let at = payload.indexOf(EVENT); at >= 0; at = payload.indexOf(EVENT, at + EVENT.length)) {
      const id = this.#numberAfter(payload, ID, at);
      if (frame.ids.length > 0 && id !== (frame.ids.at(-1) ?? 0) + 1) frame.isContiguous = false;
      frame.ids.push(id);
      frame.numbers.push(this.#numberAfter(payload, this.#tempId, at));
    }
    this.#recent.delete(first);
    this.#recent.set(first, frame);
    for (const oldest of this.#recent.keys()) {
      if (this.#recent.size <= RECENT_FRAMES) break;
      this.#recent.delete(oldest);
    }
    return frame;
  }

  #numberAfter(payload: Buffer, marker: Buffer, from: number): number {
    const found = payload.indexOf(marker, from);
    let at = found + marker.length;
    let value = 0;
    let digit = (payload[at] ?? 0) - 0x30;
    if (found < 0 || digit < 0 || digit > 9)
      throw new Error(`An event has no ${marker}: ${payload.toString("utf8", from, from + 300)}`);
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      at += 1;
      digit = (payload[at] ?? 0) - 0x30;
    }
    return value;
  }
}
