import { decodeProtectedHeader, errors, importSPKI, jwtVerify } from "jose";
import { refuse } from "../../protocol/errors.ts";
import type { Settings } from "../env.ts";
import { RefusalError } from "../middleware/errors.ts";
import { toIdentity } from "./claims.ts";
import { type Authentication, rejected } from "./identity.ts";
import { KeySet, KeySetAway } from "./key-set.ts";

const ALGORITHMS = ["RS256", "ES256", "EdDSA"];
const CLOCK_TOLERANCE_SECONDS = 5;

/** Key sets keep their keys and their cool-down between requests, so one is kept a URL. */
const keySets = new Map<string, KeySet>();

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
    return toIdentity((await jwtVerify(token, keySetOf(settings.AUTH_JWKS_URL).getKey, options)).payload);
  } catch (error) {
    if (error instanceof KeySetAway) {
      throw new RefusalError(
        refuse("SERVICE_UNAVAILABLE", "Credentials cannot be checked now. Try again.", {
          retry_after_ms: 2_000,
        }).error,
      );
    }
    return rejected(error instanceof errors.JWTExpired ? "expired" : "invalid");
  }
}

function keySetOf(url: string): KeySet {
  const known = keySets.get(url);
  if (known) return known;
  const keySet = new KeySet(url);
  keySets.set(url, keySet);
  return keySet;
}
