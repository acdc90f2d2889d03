import type { Context } from "hono";
import type { Database } from "../db/client.ts";
import type { ConversationRpc, InboxRpc } from "../durable-objects/rpc.ts";
import type { Identity } from "./auth/identity.ts";
import type { Service } from "./auth/service.ts";
import type { Env, Settings } from "./env.ts";

/** What middleware leaves for routes. */
export interface Variables {
  requestId: string;
  settings: Settings;
  db: Database;
  identity: Identity;
  /** The service that acts for the user; null when the user does. */
  service: Service | null;
}

export type AppEnv = { Bindings: Env; Variables: Variables };
export type AppContext = Context<AppEnv>;

/** The object of a conversation. Nothing is asked of it yet. */
export function conversationObject(
  env: Pick<Env, "CONVERSATIONS">,
  id: string,
  locationHint?: DurableObjectLocationHint,
): ConversationRpc {
  const namespace = env.CONVERSATIONS;
  // The stub's own type maps every entity through the serialiser's types, and ends in an endless one for JSON.
  return namespace.get(
    namespace.idFromName(id),
    locationHint ? { locationHint } : {},
  ) as unknown as ConversationRpc;
}

/** The object of a user's inbox. Nothing is asked of it yet. */
export function inboxObject(env: Pick<Env, "INBOXES">, userId: string): InboxRpc {
  return env.INBOXES.get(env.INBOXES.idFromName(userId)) as unknown as InboxRpc;
}
