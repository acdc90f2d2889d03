import { type Database, openDatabase } from "../db/client.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { DoorHost } from "./door.ts";
import type { AuthenticatorRpc } from "./rpc.ts";

/** Settings and bindings an object reads. The Worker has checked them before any request reaches one. */
export interface ObjectEnv {
  CONVERSATIONS: DurableObjectNamespace;
  INBOXES: DurableObjectNamespace;
  DATABASE_URL?: string;
  NEON_FETCH_ENDPOINT?: string;
  COMMANDS_PER_SECOND?: string;
  COMMAND_BURST?: string;
}

/** The Worker's entrypoints that an object calls; `ctx.exports` names them. */
interface Entrypoints {
  Authenticator: AuthenticatorRpc;
}

/** What every object with sockets takes from the platform. @param marks stand in each line of its log */
export function platformOf(
  ctx: DurableObjectState,
  env: ObjectEnv,
  marks: Record<string, string>,
): DoorHost<WebSocket> & { setAlarm(timeMs: number): void; pause(ms: number): Promise<void> } {
  return {
    sql: ctx.storage.sql,
    transaction: (work) => ctx.storage.transactionSync(work),
    sync: () => ctx.storage.sync(),
    setAlarm: (timeMs) => void ctx.storage.setAlarm(timeMs),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    now: Date.now,
    newId: () => crypto.randomUUID(),
    authenticate: (token) => (ctx.exports as unknown as Entrypoints).Authenticator.authenticate(token),
    rateLimit: {
      perSecond: Number(env.COMMANDS_PER_SECOND ?? LIMITS.commandsPerSecond),
      burst: Number(env.COMMAND_BURST ?? LIMITS.commandBurst),
    },
    addressRateLimit: {
      perSecond: LIMITS.addressCommandsPerSecond,
      burst: LIMITS.addressCommandBurst,
    },
    heardAt: (socket) => ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? null,
    note: (event, fields) => console.log(JSON.stringify({ event, ...marks, ...fields })),
  };
}

/**
 * The database of an object, opened at the first use: with a wrong setting a request or an alarm fails, to be tried again,
 * and not the object's construction.
 */
export function databaseOf(env: ObjectEnv): () => Database {
  let opened: Database | undefined;
  return () => {
    opened ??= openDatabase({ url: env.DATABASE_URL ?? "", fetchEndpoint: env.NEON_FETCH_ENDPOINT });
    return opened;
  };
}
