import { base64url, calculateJwkThumbprint, decodeProtectedHeader, errors, jwtDecrypt } from "jose";
import type { Settings } from "../env.ts";
import { toIdentity } from "./claims.ts";
import { type Authentication, rejected } from "./identity.ts";

/** A cookie that holds a session of Auth.js, and which version of it set the cookie. */
export interface SessionCookie {
  name: string;
  version: "v4" | "v5";
}

/** Auth.js v5 and NextAuth v4, over https and over http. */
export const SESSION_COOKIES: readonly SessionCookie[] = [
  { name: "__Secure-authjs.session-token", version: "v5" },
  { name: "authjs.session-token", version: "v5" },
  { name: "__Secure-next-auth.session-token", version: "v4" },
  { name: "next-auth.session-token", version: "v4" },
];

/** How Auth.js itself allows for clocks that differ. */
const CLOCK_TOLERANCE_SECONDS = 15;

/**
 * Checks an encrypted session token of Auth.js v5 or NextAuth v4. Keys, salts and algorithms are those of
 * `@auth/core/jwt` 0.41 and `next-auth/jwt` 4.24: v5 derives its key from the name of the cookie that it is for.
 *
 * @param cookie the cookie it came in; undefined for a bearer, which may have been meant for any of them
 */
export async function verifySessionToken(
  token: string,
  settings: Settings,
  cookie?: SessionCookie,
): Promise<Authentication> {
  try {
    const { enc, kid } = decodeProtectedHeader(token);
    const key = await findKey({ enc, kid, settings, names: cookie ? [cookie] : SESSION_COOKIES });
    if (!key) return rejected("invalid");
    const { payload } = await jwtDecrypt(token, key, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: [typeof enc === "string" ? enc : ""],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ["sub", "exp"],
    });
    return toIdentity(payload);
  } catch (error) {
    return rejected(error instanceof errors.JWTExpired ? "expired" : "invalid");
  }
}

interface KeyQuestion {
  enc: unknown;
  kid: unknown;
  settings: Settings;
  names: readonly SessionCookie[];
}

/** The key that the token says it was made with. v4 has one secret and says nothing. */
async function findKey({ enc, kid, settings, names }: KeyQuestion): Promise<Uint8Array | null> {
  if (enc === "A256GCM") {
    const secret = settings.NEXTAUTH_SECRET;
    if (secret === undefined || !names.some(({ version }) => version === "v4")) return null;
    return (await deriveKey(secret, "", "NextAuth.js Generated Encryption Key", 32)).key;
  }
  if (enc !== "A256CBC-HS512") return null;
  for (const { name, version } of names) {
    if (version !== "v5") continue;
    for (const secret of settings.sessionSecrets) {
      const derived = await deriveKey(secret, name, `Auth.js Generated Encryption Key (${name})`, 64);
      if (derived.kid === kid) return derived.key;
    }
  }
  return null;
}

interface DerivedKey {
  key: Uint8Array;
  /** Thumbprint of the key, by which a token names it. */
  kid: string;
}

const derivedKeys = new Map<string, Promise<DerivedKey>>();

/** Derives a key with HKDF-SHA256, once: a setting has few secrets and names. */
function deriveKey(secret: string, salt: string, info: string, bytes: number): Promise<DerivedKey> {
  const id = JSON.stringify([secret, info]);
  let derived = derivedKeys.get(id);
  if (!derived) {
    derived = derive(secret, salt, info, bytes);
    derivedKeys.set(id, derived);
  }
  return derived;
}

async function derive(secret: string, salt: string, info: string, bytes: number): Promise<DerivedKey> {
  const encoder = new TextEncoder();
  const material = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, [
    "deriveBits",
  ]);
  const key = new Uint8Array(
    await crypto.subtle.deriveBits(
      { name: "HKDF", hash: "SHA-256", salt: encoder.encode(salt), info: encoder.encode(info) },
      material,
      bytes * 8,
    ),
  );
  const digest = bytes === 64 ? "sha512" : "sha256";
  return { key, kid: await calculateJwkThumbprint({ kty: "oct", k: base64url.encode(key) }, digest) };
}
