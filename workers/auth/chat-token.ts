import { errors, jwtVerify, SignJWT } from "jose";
import type { Settings } from "../env.ts";
import { toIdentity } from "./claims.ts";
import { type Authentication, type Identity, rejected } from "./identity.ts";

const ISSUER = "arcyou-chat";
const AUDIENCE = "arcyou-chat";
const LIFETIME_MS = 60 * 60 * 1000;

const keyOf = (secret: string): Uint8Array => new TextEncoder().encode(secret);

/**
 * A token of the service's own, valid for an hour and never longer than the credential it was made from.
 *
 * @returns null when `CHAT_TOKEN_SECRET` is not set
 */
export async function issueChatToken(
  identity: Identity,
  settings: Settings,
): Promise<{ token: string; expires_at: string } | null> {
  if (settings.CHAT_TOKEN_SECRET === undefined) return null;
  const expiresAt = Math.min(Date.now() + LIFETIME_MS, identity.expiresAt ?? Number.POSITIVE_INFINITY);
  const seconds = Math.floor(expiresAt / 1000);
  const claims = new SignJWT({
    name: identity.name ?? undefined,
    picture: identity.avatarUrl ?? undefined,
  })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(identity.userId)
    // Revoking what it was made from revokes it, too.
    .setJti(identity.jti ?? crypto.randomUUID())
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setExpirationTime(seconds);
  // As old as what it was made from, so that what revokes that revokes it. What never ends says nothing of its age.
  if (identity.issuedAtMs !== null) claims.setIssuedAt(Math.floor(identity.issuedAtMs / 1000));
  else if (identity.expiresAt === null) claims.setIssuedAt();
  const token = await claims.sign(keyOf(settings.CHAT_TOKEN_SECRET));
  return { token, expires_at: new Date(seconds * 1000).toISOString() };
}

/** Checks a token of {@link issueChatToken}. */
export async function verifyChatToken(token: string, settings: Settings): Promise<Authentication> {
  if (settings.CHAT_TOKEN_SECRET === undefined) return rejected("invalid");
  try {
    const { payload } = await jwtVerify(token, keyOf(settings.CHAT_TOKEN_SECRET), {
      algorithms: ["HS256"],
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ["sub", "exp"],
    });
    return toIdentity(payload);
  } catch (error) {
    return rejected(error instanceof errors.JWTExpired ? "expired" : "invalid");
  }
}
