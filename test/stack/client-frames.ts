/** Bytes after which a head that does not end is no head of HTTP. */
const HEAD_LIMIT_BYTES = 64 * 1024;
const TEXT_FRAME = 0x81;
/** The heartbeat and anything as short is no command. */
const SHORTEST_COMMAND_BYTES = 16;

/**
 * What a client sends on one connection, cut at the borders of its WebSocket frames, so that a whole frame can be
 * repeated. Anything but a WebSocket passes as it is.
 */
export class ClientFrames {
  #phase: "head" | "frames" | "opaque" = "head";
  #bytes: Buffer = Buffer.alloc(0);

  /**
   * @param repeats whether the command frame at hand is to be sent twice
   * @returns what is to be passed on now, in order
   */
  feed(chunk: Buffer, repeats: () => boolean): Buffer[] {
    if (this.#phase === "opaque") return [chunk];
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    return this.#phase === "head"
      ? [...this.#takeHead(), ...this.#takeFrames(repeats)]
      : this.#takeFrames(repeats);
  }

  #takeHead(): Buffer[] {
    const end = this.#bytes.indexOf("\r\n\r\n");
    const head = this.#bytes.subarray(0, end + 4).toString("latin1");
    if (end >= 0 && /^upgrade: *websocket/im.test(head)) {
      this.#phase = "frames";
      this.#bytes = this.#bytes.subarray(end + 4);
      // A frame that shares a dictionary with the one before it could not be repeated.
      return [Buffer.from(head.replace(/^sec-websocket-extensions:.*\r\n/im, ""), "latin1")];
    }
    if (end < 0 && this.#bytes.length < HEAD_LIMIT_BYTES) return [];
    this.#phase = "opaque";
    const all = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    return [all];
  }

  #takeFrames(repeats: () => boolean): Buffer[] {
    if (this.#phase !== "frames") return [];
    const frames: Buffer[] = [];
    for (;;) {
      const size = frameBytes(this.#bytes);
      if (size === null || this.#bytes.length < size) return frames;
      const frame = this.#bytes.subarray(0, size);
      this.#bytes = this.#bytes.subarray(size);
      frames.push(frame);
      if (frame[0] === TEXT_FRAME && size >= SHORTEST_COMMAND_BYTES && repeats()) frames.push(frame);
    }
  }
}

/** Size of the masked frame that begins here (RFC 6455, section 5.2); null while its head is not whole. */
function frameBytes(bytes: Buffer): number | null {
  const length = bytes[1] === undefined ? null : bytes[1] & 0x7f;
  const maskBytes = 4;
  if (length === null) return null;
  if (length < 126) return 2 + maskBytes + length;
  if (length === 126) return bytes.length < 4 ? null : 4 + maskBytes + bytes.readUInt16BE(2);
  return bytes.length < 10 ? null : 10 + maskBytes + Number(bytes.readBigUInt64BE(2));
}
