import { BenchSocket } from "../websocket.ts";
import type { Connection, Line } from "./contender.ts";

/**
 * Opens a connection whose texts are JSON as they are.
 *
 * @param synced what the text contains after which live messages come; null when the open socket is enough
 */
export async function openTextLine(
  { url, protocols, keepsAlive = false }: { url: URL; protocols: string[]; keepsAlive?: boolean },
  { onText }: Connection,
  synced: string | null,
): Promise<Line> {
  let token = "";
  let onSynced = (): void => {};
  let isSynced = synced === null;
  const waiting = new Promise<void>((resolve) => {
    onSynced = resolve;
  });
  const socket = await BenchSocket.open(url, protocols, (payload) => {
    onText(payload);
    if (isSynced || synced === null) return;
    token ||= epochOf(payload);
    // Whatever is long is no bare `synced`.
    if (payload.length > 200 || !payload.includes(synced)) return;
    isSynced = true;
    onSynced();
  });
  if (keepsAlive) socket.keepAlive();
  if (!isSynced) {
    await new Promise<void>((resolve, reject) => {
      socket.onBroken = (reason) => reject(new Error(`WebSocket: ${reason}`));
      void waiting.then(resolve);
    });
  }
  return {
    send: (command) => socket.send(command),
    close: () => socket.close(),
    get token() {
      return token;
    },
    set onBroken(tell: (reason: string) => void) {
      socket.onBroken = tell;
    },
  };
}

const EPOCH = Buffer.from('"epoch":"');

function epochOf(payload: Buffer): string {
  const at = payload.indexOf(EPOCH);
  if (at < 0) return "";
  const from = at + EPOCH.length;
  return payload.toString("latin1", from, payload.indexOf('"', from));
}
