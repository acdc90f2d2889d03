/** Why a socket was closed by the server. Codes of 4400 and above are this protocol's own. */
export const CLOSE = {
  done: 1000,
  /** A frame larger than `LIMITS.frameBytes`. */
  frameTooLarge: 1009,
  /** The peer does not speak the protocol: binary frames, text that is not JSON. */
  protocolViolation: 4400,
  /** No credential, a wrong one or an expired one; the reason says which. Get a token and reconnect. */
  unauthorized: 4401,
  /** The user was removed from the conversation. */
  removed: 4403,
  /** No such conversation, or not one of the user's. */
  conversationNotFound: 4404,
  /** More than `LIMITS.socketsPerUser` sockets. */
  tooManyConnections: 4429,
  /** The server cannot serve now; try again with backoff. 4500 to 4599 all mean so. */
  tryAgain: 4500,
} as const;

/** Reasons that accompany {@link CLOSE.unauthorized}. */
export type UnauthorizedReason = "missing" | "invalid" | "expired" | "revoked";

/** Whether a client should stay closed after this code: every 44xx but 4401 and 4429, and 1009. */
export function isTerminalClose(code: number): boolean {
  if (code === CLOSE.frameTooLarge) return true;
  return code >= 4400 && code <= 4499 && code !== CLOSE.unauthorized && code !== CLOSE.tooManyConnections;
}
