import { getCookie } from "hono/cookie";
import type { AppContext } from "../context.ts";
import type { Settings } from "../env.ts";
import { authenticate } from "./authenticate.ts";
import { type Authentication, rejected } from "./identity.ts";
import { SESSION_COOKIES, type SessionCookie, verifySessionToken } from "./session-token.ts";

/** Auth.js cuts a long session into cookies of about 4 KB; a browser sends at most some dozens. */
const CHUNKS_MAX = 10;

/**
 * Checks what a request carries: a bearer, or the session cookie of Auth.js. A bearer wins. A cookie counts only if the
 * page that made the request is an allowed one, because a browser sends cookies along whoever asks.
 *
 * @param bearer null if the request carries none
 */
export async function authenticateRequest(
  c: AppContext,
  settings: Settings,
  bearer: string | null,
): Promise<Authentication> {
  if (bearer !== null) return authenticate(bearer, settings);
  if (!isFromAllowedPage(c, settings)) return rejected("missing");
  let result = rejected("missing");
  // During a migration from v4 to v5 a browser may hold both.
  for (const cookie of SESSION_COOKIES) {
    const token = readSessionCookie(c, cookie);
    if (token === null) continue;
    result = await verifySessionToken(token, settings, cookie);
    if (result.ok) return result;
  }
  return result;
}

/** A browser leaves the origin out only of a GET to the page's own origin, and says that it is one. */
function isFromAllowedPage(c: AppContext, settings: Settings): boolean {
  const origin = c.req.header("Origin");
  if (origin !== undefined) return settings.ALLOWED_ORIGINS.includes(origin);
  const isReading = c.req.method === "GET" || c.req.method === "HEAD";
  return isReading && c.req.header("Sec-Fetch-Site") === "same-origin";
}

/** The session in a cookie, or in its numbered pieces; null if there is neither. */
function readSessionCookie(c: AppContext, { name }: SessionCookie): string | null {
  const whole = getCookie(c, name);
  if (whole) return whole;
  let session = "";
  for (let number = 0; number < CHUNKS_MAX; number += 1) {
    const chunk = getCookie(c, `${name}.${number}`);
    if (!chunk) break;
    session += chunk;
  }
  return session === "" ? null : session;
}
