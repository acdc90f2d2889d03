import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  importSPKI,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { refuse } from "../../protocol/errors.ts";
import type { Settings } from "../env.ts";
import { RefusalError } from "../middleware/errors.ts";
import { toIdentity } from "./claims.ts";
import { type Authentication, rejected } from "./identity.ts";

const ALGORITHMS = ["RS256", "ES256", "EdDSA"];
const CLOCK_TOLERANCE_SECONDS = 5;

/** Key sets keep their keys and their cool-down between requests, so one is kept a URL. */
const keySets = new Map<string, JWTVerifyGetKey>();

/**
 * Checks a JWT of the host application against its configured key, issuer and audience.
 *
 * @throws {RefusalError} SERVICE_UNAVAILABLE when the key set cannot be fetched
 */
export async function verifyExternalJwt(token: string, settings: Settings): Promise<Authentication> {
  const { AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = settings;
  if (issuer === undefined || audience === undefined) return rejected("invalid");
  const options = {
    algorithms: ALGORITHMS,
    issuer,
    audience,
    requiredClaims: ["sub", "exp"],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  };
  try {
    const { alg } = decodeProtectedHeader(token);
    if (alg === undefined || !ALGORITHMS.includes(alg)) return rejected("invalid");
    if (settings.AUTH_PUBLIC_KEY !== undefined) {
      // Importing fails when the key is not of the algorithm the token names.
      const key = await importSPKI(settings.AUTH_PUBLIC_KEY, alg);
      return toIdentity((await jwtVerify(token, key, options)).payload);
    }
    if (settings.AUTH_JWKS_URL === undefined) return rejected("invalid");
    return toIdentity((await jwtVerify(token, keySetOf(settings.AUTH_JWKS_URL), options)).payload);
  } catch (error) {
    if (settings.AUTH_JWKS_URL !== undefined && isKeySetAway(error)) {
      throw new RefusalError(
        refuse("SERVICE_UNAVAILABLE", "Credentials cannot be checked now. Try again.", {
          retry_after_ms: 2_000,
        }).error,
      );
    }
    return rejected(error instanceof errors.JWTExpired ? "expired" : "invalid");
  }
}

/** Whether the key set could not be fetched, which says nothing about the token. */
function isKeySetAway(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout) return true;
  // jose has its generic code for a reply other than 200; a failed fetch is no error of jose at all.
  return error instanceof errors.JOSEError ? error.code === "ERR_JOSE_GENERIC" : true;
}

function keySetOf(url: string): JWTVerifyGetKey {
  const known = keySets.get(url);
  if (known) return known;
  const keySet = createRemoteJWKSet(new URL(url));
  keySets.set(url, keySet);
  return keySet;
}
