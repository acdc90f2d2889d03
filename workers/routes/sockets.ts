import { Hono } from "hono";
import { openDatabase } from "../../db/client.ts";
import type { Caller } from "../../durable-objects/door.ts";
import { CONNECT_HEADER, type ConnectRequest, type InboxRpc } from "../../durable-objects/rpc.ts";
import { CLOSE } from "../../protocol/close-codes.ts";
import { refuse } from "../../protocol/errors.ts";
import { conversationParams, inboxQuery, socketQuery } from "../../protocol/rest.ts";
import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from "../../protocol/version.ts";
import { authenticateRequest } from "../auth/request-credential.ts";
import { unlessRevoked } from "../auth/revocation.ts";
import { type AppContext, type AppEnv, conversationObject, inboxObject } from "../context.ts";
import { rememberProfile } from "../middleware/authenticated.ts";
import { RefusalError } from "../middleware/errors.ts";
import { addressOf, isLimited } from "../middleware/rate-limit.ts";
import { reportSettings } from "../middleware/settings.ts";

export const socketRoutes = new Hono<AppEnv>()
  .get("/conversations/:id/socket", (c) =>
    upgrade(c, (caller, expiresAt) => {
      const params = conversationParams.safeParse(c.req.param());
      if (!params.success) return closed(CLOSE.conversationNotFound, "There is no such conversation.");
      const query = socketQuery.safeParse(c.req.query());
      if (!query.success) {
        const reason = "since must be a whole number, epoch text, client_id at most 64 long";
        return closed(CLOSE.protocolViolation, reason);
      }
      const { client_id: clientId = null, ...position } = query.data;
      const object = conversationObject(c.env, params.data.id);
      return connect(c, object, { caller, expiresAt, clientId, ...position });
    }),
  )
  .get("/inbox/socket", (c) =>
    upgrade(c, (caller, expiresAt) => {
      const query = inboxQuery.safeParse(c.req.query());
      if (!query.success) return closed(CLOSE.protocolViolation, "client_id must be at most 64 long");
      const { client_id: clientId = null } = query.data;
      return connect(c, inboxObject(c.env, caller.userId), { caller, expiresAt, clientId });
    }),
  );

/** Checks who asks for a socket, and hands them on. */
async function upgrade(
  c: AppContext,
  admit: (caller: Caller, expiresAt: number | null) => Response | Promise<Response>,
): Promise<Response> {
  if (c.req.header("Upgrade")?.toLowerCase() !== "websocket") {
    throw new RefusalError(refuse("VALIDATION_FAILED", "This route takes WebSocket upgrades only.").error);
  }
  const address = addressOf(c);
  if (await isLimited(c.env, "ADDRESS_LIMIT", address)) return tooManyUpgrades();
  const offered = (c.req.header("Sec-WebSocket-Protocol") ?? "").split(",").map((entry) => entry.trim());
  if (!offered.includes(SUBPROTOCOL))
    return closed(CLOSE.protocolViolation, `offer the subprotocol ${SUBPROTOCOL}`);
  const read = reportSettings(c.env);
  if (!read.ok) return closed(CLOSE.tryAgain, "the service is not set up");
  const { settings } = read;
  c.set("db", openDatabase({ url: settings.DATABASE_URL, fetchEndpoint: settings.NEON_FETCH_ENDPOINT }));

  const bearer = offered.find((entry) => entry.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  const token = bearer?.slice(BEARER_SUBPROTOCOL_PREFIX.length) ?? null;
  const result = await authenticateRequest(c, settings, token)
    .then((checked) => unlessRevoked(c.get("db"), checked, { isFresh: true }))
    .catch(() => null);
  if (!result) return closed(CLOSE.tryAgain, "credentials cannot be checked now");
  if (!result.ok) {
    const isGuessing = await isLimited(c.env, "FAILURE_LIMIT", address);
    return isGuessing ? tooManyUpgrades() : closed(CLOSE.unauthorized, result.reason);
  }
  const { userId, name, avatarUrl, expiresAt, jti, issuedAtMs } = result.identity;
  if (await isLimited(c.env, "USER_LIMIT", `user ${userId}`)) return tooManyUpgrades();
  rememberProfile(c, result.identity);
  return admit({ userId, name, avatarUrl, jti, issuedAtMs, address }, expiresAt);
}

/** Hands the upgrade to the object. Only what the Worker vouches for goes along: no header of the client. */
async function connect(
  c: AppContext,
  object: Pick<InboxRpc, "fetch">,
  request: ConnectRequest,
): Promise<Response> {
  try {
    return await object.fetch("https://object/", {
      headers: { Upgrade: "websocket", [CONNECT_HEADER]: encodeURIComponent(JSON.stringify(request)) },
    });
  } catch (error) {
    console.error(
      JSON.stringify({ event: "connect_failed", request_id: c.get("requestId"), error: String(error) }),
    );
    return closed(CLOSE.tryAgain, "try again");
  }
}

const tooManyUpgrades = (): Response => closed(CLOSE.tooManyConnections, "Too many connections. Slow down.");

/** Accepts the socket only to close it: a browser cannot read why an upgrade was refused. */
function closed(code: number, reason: string): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.close(code, reason);
  return new Response(null, {
    status: 101,
    webSocket: client,
    headers: { "Sec-WebSocket-Protocol": SUBPROTOCOL },
  });
}
