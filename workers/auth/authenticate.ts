import { decodeProtectedHeader } from "jose";
import { z } from "zod";
import type { Settings } from "../env.ts";
import { verifyChatToken } from "./chat-token.ts";
import { verifyExternalJwt } from "./external-jwt.ts";
import { type Authentication, rejected } from "./identity.ts";
import { verifySessionToken } from "./session-token.ts";

const uuid = z.uuid();

/**
 * Checks a credential: the service's own chat token (HS256), a session token of Auth.js (encrypted), a JWT of the host
 * application (RS256, ES256 or EdDSA), or in development a bare UUID. The algorithm in the token's header only chooses
 * the verifier; each verifier accepts its own algorithms and keys alone. Whether it was revoked is another question.
 */
export async function authenticate(token: string | null, settings: Settings): Promise<Authentication> {
  if (token === null || token === "") return rejected("missing");
  if (uuid.safeParse(token).success) {
    if (settings.ENVIRONMENT !== "development") return rejected("invalid");
    return {
      ok: true,
      identity: {
        userId: token.toLowerCase(),
        name: null,
        avatarUrl: null,
        expiresAt: null,
        jti: null,
        issuedAtMs: null,
      },
    };
  }
  let algorithm: string | undefined;
  try {
    algorithm = decodeProtectedHeader(token).alg;
  } catch {
    return rejected("invalid");
  }
  if (algorithm === "dir") return verifySessionToken(token, settings);
  return algorithm === "HS256" ? verifyChatToken(token, settings) : verifyExternalJwt(token, settings);
}
