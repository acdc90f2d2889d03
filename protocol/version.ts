/** Version of the wire protocol, in `ready.protocol`. Raised only when an old client could misread a frame. */
export const PROTOCOL_VERSION = 1;

/** The subprotocol a socket offers and the server answers with. */
export const SUBPROTOCOL = "arcyou.v1";

/** Prefix of the subprotocol entry that carries the credential: `bearer.<token>`. */
export const BEARER_SUBPROTOCOL_PREFIX = "bearer.";

/** Text frames that a server answers without waking the object. */
export const HEARTBEAT = { ping: "ping", pong: "pong" } as const;
