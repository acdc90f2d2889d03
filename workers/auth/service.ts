import { z } from "zod";

/** What a service credential may be allowed to do. */
export const SCOPES = [
  "conversations:read",
  "conversations:write",
  "participants:write",
  "messages:read",
  "messages:write",
  "messages:system",
  "settings:read",
  "settings:write",
  "auth:token",
  "auth:revoke",
  /** Opens nothing: for a key that is to be switched off and kept. */
  "none",
] as const;
export type Scope = (typeof SCOPES)[number];

/** Begins every service key, so that scanners for leaked secrets know one. */
export const SERVICE_KEY_PREFIX = "arcyou_";

/** Header that names the user a service acts for, percent-encoded. */
export const ON_BEHALF_OF = "X-On-Behalf-Of";

export const serviceKeys = z.array(
  z.strictObject({
    name: z.string().min(1).max(64),
    key: z.string().regex(/^arcyou_[\w-]{32,128}$/, "must be arcyou_ and 32 to 128 letters, digits, - or _"),
    scopes: z.array(z.enum(SCOPES)).min(1),
  }),
);

/** The back end of an application, as its key names it. */
export interface Service {
  name: string;
  scopes: readonly Scope[];
}

/**
 * The scopes of which a service needs one, by route. A route that is not here is closed to services.
 */
export const ROUTE_SCOPES: Record<string, readonly Scope[]> = {
  "POST /api/auth/token": ["auth:token"],
  "POST /api/auth/revoke": ["auth:revoke"],
  "POST /api/conversations": ["conversations:write"],
  "GET /api/conversations": ["conversations:read"],
  "GET /api/conversations/unread-count": ["conversations:read"],
  "GET /api/conversations/:id": ["conversations:read"],
  "PATCH /api/conversations/:id": ["conversations:write"],
  "DELETE /api/conversations/:id": ["conversations:write"],
  "PUT /api/conversations/:id/read": ["conversations:write"],
  "GET /api/settings": ["settings:read"],
  "PATCH /api/settings": ["settings:write"],
  "GET /api/conversations/:id/participants": ["conversations:read"],
  "POST /api/conversations/:id/participants": ["participants:write"],
  "PATCH /api/conversations/:id/participants/:user_id": ["participants:write"],
  "DELETE /api/conversations/:id/participants/:user_id": ["participants:write"],
  "GET /api/conversations/:id/messages": ["messages:read"],
  "GET /api/conversations/:id/messages/since/:message_id": ["messages:read"],
  "GET /api/conversations/:id/messages/search": ["messages:read"],
  "GET /api/search": ["messages:read"],
  "POST /api/conversations/:id/messages": ["messages:write", "messages:system"],
  "PATCH /api/conversations/:id/messages/:message_id": ["messages:write"],
  "DELETE /api/conversations/:id/messages/:message_id": ["messages:write"],
  "PUT /api/conversations/:id/messages/:message_id/reactions/:emoji": ["messages:write"],
  "DELETE /api/conversations/:id/messages/:message_id/reactions/:emoji": ["messages:write"],
};

/** Whether the service may use a route at all. */
export const mayUse = (service: Service, route: string): boolean =>
  (ROUTE_SCOPES[route] ?? []).some((scope) => service.scopes.includes(scope));

/**
 * The service whose key this is; null if it is nobody's. Digests are compared, so that the time taken says nothing of
 * the keys.
 */
export async function findService(
  token: string,
  services: ReadonlyArray<Service & { key: string }>,
): Promise<Service | null> {
  const given = await digest(token);
  let found: Service | null = null;
  for (const { key, name, scopes } of services) if ((await digest(key)) === given) found = { name, scopes };
  return found;
}

async function digest(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).join();
}
