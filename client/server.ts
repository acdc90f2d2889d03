import { type ClientRequestOptions, hc } from "hono/client";
// Types alone: nothing of the service comes into the bundle.
import type { AppType } from "../workers/app.ts";
import { networkError, toError } from "./errors.ts";

/** How a back end reaches the service. */
export interface ServerClientOptions {
  /** Where the service is, for example `https://chat.example.com`. */
  url: string;
  /** A service key, or a token of a user. */
  credential: string | (() => string | Promise<string>);
  /** With a service key: the user it acts for. */
  onBehalfOf?: string;
  /** Default: the global one. */
  fetch?: typeof fetch;
}

/**
 * A typed client of the whole REST API for servers: paths, bodies and replies are the service's own types. It throws on
 * every reply that is no success. `body.data` of a message is any JSON as Hono types it, `JSONValue`, and needs a check of
 * its own.
 *
 * @example
 * ```ts
 * const chat = createServerClient({ url: env.CHAT_URL, credential: env.CHAT_SERVICE_KEY, onBehalfOf: session.user.id });
 * const reply = await chat.api.conversations.$post({
 *   header: { "idempotency-key": order.id },
 *   json: { type: "group", title: `Order ${order.number}`, participant_ids: [order.sellerId] },
 * });
 * const { data: conversation } = await reply.json();
 * ```
 * @throws {ChatError} from each call, with the service's code, or `NETWORK_ERROR` when it could not be reached
 */
export function createServerClient({
  url,
  credential,
  onBehalfOf,
  fetch: request = fetch,
}: ServerClientOptions) {
  const options: ClientRequestOptions = {
    headers: async () => ({
      Authorization: `Bearer ${typeof credential === "string" ? credential : await credential()}`,
      ...(onBehalfOf === undefined ? {} : { "X-On-Behalf-Of": encodeURIComponent(onBehalfOf) }),
    }),
    fetch: async (input: RequestInfo | URL, init?: RequestInit) => orThrow(() => request(input, init)),
  };
  return hc<AppType>(url, options);
}

/** The client of {@link createServerClient}. */
export type ServerClient = ReturnType<typeof createServerClient>;

async function orThrow(ask: () => Promise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await ask();
  } catch (error) {
    throw networkError("The service could not be reached.", error);
  }
  if (response.ok) return response;
  throw toError(response.status, await response.json().catch(() => null));
}
