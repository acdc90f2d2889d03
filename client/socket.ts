import ReconnectingWebSocket from "partysocket/ws";

/** A class that makes sockets: the platform's `WebSocket` or one like it. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => object;

/** One socket, from its opening to its end. */
export interface Socket {
  send(text: string): void;
  /** Ends it without waiting for the other side. No handler is called any more. */
  close(): void;
}

/** What happens on a socket. `closed` comes once, last, and also when it never opened. */
export interface SocketHandlers {
  opened(): void;
  received(data: unknown): void;
  closed(code: number): void;
}

/** Opens a socket. Handlers must not be called before it returns. */
export type OpenSocket = (url: string, protocols: string[], handlers: SocketHandlers) => Socket;

/** Longer than any connection takes; timers hold no more than this. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * Sockets of partysocket, which levels the differences between platforms: lost error events, `close` calls
 * that are never answered.
 *
 * Each makes one attempt. partysocket's own delays are the same for every client and cannot be told "at once",
 * its timers cannot be replaced, and its queue would send before the resume; so all three are off, and
 * {@link Connection} decides when to try again.
 */
export function partySocket(WebSocket?: WebSocketConstructor): OpenSocket {
  return (url, protocols, handlers) => {
    const socket = new ReconnectingWebSocket(url, protocols, {
      ...(WebSocket ? { WebSocket } : {}),
      maxRetries: 0,
      maxEnqueuedMessages: 0,
      connectionTimeout: NEVER_MS,
    });
    let isOver = false;
    const end = (code: number) => {
      if (isOver) return;
      isOver = true;
      handlers.closed(code);
    };
    socket.onopen = () => {
      if (!isOver) handlers.opened();
    };
    socket.onmessage = ({ data }) => {
      if (!isOver) handlers.received(data);
    };
    socket.onclose = ({ code }) => end(code);
    // The only sign of a constructor that threw; after a close it is ignored.
    socket.onerror = () => end(1006);
    return {
      send: (text) => {
        socket.send(text);
      },
      close: () => {
        isOver = true;
        socket.close();
      },
    };
  };
}
