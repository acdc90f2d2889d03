import { WorkerEntrypoint } from "cloudflare:workers";
import { openDatabase } from "../db/client.ts";
import type { Authenticated, AuthenticatorRpc } from "../durable-objects/rpc.ts";
import { authenticate } from "./auth/authenticate.ts";
import { unlessRevoked } from "./auth/revocation.ts";
import type { Env } from "./env.ts";
import { reportSettings } from "./middleware/settings.ts";

/** Checks credentials for objects, which have neither keys nor settings of their own. */
export class Authenticator extends WorkerEntrypoint<Env> implements AuthenticatorRpc {
  /** As at the door of a socket. @throws Error when credentials cannot be checked now */
  async authenticate(token: string): Promise<Authenticated> {
    const read = reportSettings(this.env);
    if (!read.ok) throw new Error("The service is not set up.");
    const { settings } = read;
    const db = openDatabase({ url: settings.DATABASE_URL, fetchEndpoint: settings.NEON_FETCH_ENDPOINT });
    return unlessRevoked(db, await authenticate(token, settings), { isFresh: true });
  }
}
