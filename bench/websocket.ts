import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { HEARTBEAT } from "../protocol/version.ts";

/** What a socket does with a message: the bytes of its text, valid only until it returns. */
export type OnText = (payload: Buffer) => void;

const OPCODE = { text: 1, close: 8 } as const;
const HANDSHAKE_END = Buffer.from("\r\n\r\n");
const HEARTBEAT_MS = 12_000;
const PONG = Buffer.from(HEARTBEAT.pong);

/** Every socket reads into this: what one leaves unfinished it copies. */
const shared = Buffer.allocUnsafeSlow(512 * 1024);

/**
 * A WebSocket client (RFC 6455) that does as little as it can, so that a thousand of them fit on one core: no
 * events, no strings, no compression, no fragmented messages, which the server does not send.
 */
export class BenchSocket {
  #socket: Socket;
  #onText: OnText;
  #onBroken: (reason: string) => void = () => {};
  #opened: () => void = () => {};
  #isOpen = false;
  #isClosing = false;
  #rest: Buffer | null = null;
  #heartbeat: NodeJS.Timeout | undefined;

  /** Resolves once the server switched protocols. */
  static open(url: URL, protocols: string[], onText: OnText): Promise<BenchSocket> {
    return new Promise((resolve, reject) => {
      const opened: BenchSocket = new BenchSocket(url, protocols, onText, () => resolve(opened), reject);
    });
  }

  private constructor(
    url: URL,
    protocols: string[],
    onText: OnText,
    opened: () => void,
    broken: (error: Error) => void,
  ) {
    this.#onText = onText;
    this.#opened = opened;
    this.#onBroken = (reason) => broken(new Error(`WebSocket: ${reason}`));
    this.#socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (bytes) => {
          this.#read(shared.subarray(0, bytes));
          return true;
        },
      },
    });
    this.#socket.on("error", (error) => this.#onBroken(error.message));
    this.#socket.on("close", () => {
      clearInterval(this.#heartbeat);
      if (!this.#isClosing) this.#onBroken("the connection ended");
    });
    this.#socket.write(
      [
        `GET ${url.pathname}${url.search} HTTP/1.1`,
        `Host: ${url.host}`,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
        ...(protocols.length > 0 ? [`Sec-WebSocket-Protocol: ${protocols.join(", ")}`] : []),
        "\r\n",
      ].join("\r\n"),
    );
  }

  /** Told when the socket ends without having been asked to. */
  set onBroken(tell: (reason: string) => void) {
    this.#onBroken = tell;
  }

  send(text: string): void {
    const length = Buffer.byteLength(text);
    if (length >= 65_536) throw new Error("Larger than anything the service takes.");
    const header = length < 126 ? 2 : 4;
    // The masking key stays zero, so that masking changes nothing: legal, and free.
    const frame = Buffer.alloc(header + 4 + length);
    frame[0] = 0x80 | OPCODE.text;
    if (header === 2) frame[1] = 0x80 | length;
    else {
      frame[1] = 0x80 | 126;
      frame.writeUInt16BE(length, 2);
    }
    frame.write(text, header + 4);
    this.#socket.write(frame);
  }

  /** Says from time to time that it is there, as the service's own client does, which is cut off otherwise. */
  keepAlive(): void {
    this.#heartbeat = setInterval(() => this.send(HEARTBEAT.ping), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  close(): void {
    clearInterval(this.#heartbeat);
    this.#isClosing = true;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    let data = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = null;
    if (!this.#isOpen) {
      const end = data.indexOf(HANDSHAKE_END);
      if (end >= 0) {
        const status = data.toString("latin1", 0, data.indexOf("\r\n"));
        if (!status.includes(" 101 ")) {
          this.#onBroken(status);
          return;
        }
        this.#isOpen = true;
        this.#opened();
        data = data.subarray(end + HANDSHAKE_END.length);
      }
    }
    const used = this.#isOpen ? this.#readFrames(data) : 0;
    // The buffer is about to be reused by another socket.
    if (used < data.length) this.#rest = Buffer.from(data.subarray(used));
  }

  /** @returns bytes of whole frames */
  #readFrames(data: Buffer): number {
    let at = 0;
    while (data.length - at >= 2) {
      const first = data[at] ?? 0;
      let length = data[at + 1] ?? 0;
      let start = at + 2;
      if (length === 126) {
        start += 2;
        if (data.length < start) break;
        length = data.readUInt16BE(at + 2);
      } else if (length === 127) {
        start += 8;
        if (data.length < start) break;
        length = Number(data.readBigUInt64BE(at + 2));
      }
      if (data.length < start + length) break;
      at = start + length;
      const payload = data.subarray(start, at);
      if (this.#heartbeat && payload.equals(PONG)) continue;
      if (first === (0x80 | OPCODE.text)) this.#onText(payload);
      else this.#fail(first, payload);
    }
    return at;
  }

  #fail(first: number, payload: Buffer): void {
    const reason =
      first === (0x80 | OPCODE.close) && payload.length >= 2
        ? `closed with ${payload.readUInt16BE(0)} ${payload.toString("utf8", 2)}`
        : `unexpected frame 0x${first.toString(16)}`;
    this.#onBroken(reason);
  }
}
