import type { JWTPayload } from "jose";
import { userId } from "../../protocol/entities.ts";
import { type Authentication, rejected } from "./identity.ts";

/** The end of the year 9999, in Unix seconds: what a timestamp of the protocol can say. */
const EXP_MAX = 253_402_300_799;
const PROFILE_TEXT_MAX = 1_000;

/** The identity in verified claims: `sub`, and of OpenID Connect's standard claims `name` and `picture`. */
export function toIdentity(payload: JWTPayload): Authentication {
  const sub = userId.safeParse(payload.sub);
  if (!sub.success || payload.exp === undefined || payload.exp > EXP_MAX) return rejected("invalid");
  return {
    ok: true,
    identity: {
      userId: sub.data,
      name: textClaim(payload.name),
      avatarUrl: textClaim(payload.picture),
      expiresAt: payload.exp * 1000,
      jti: textClaim(payload.jti),
      issuedAtMs: payload.iat === undefined ? null : payload.iat * 1000,
    },
  };
}

function textClaim(value: unknown): string | null {
  if (typeof value !== "string" || value === "" || value.length > PROFILE_TEXT_MAX) return null;
  return value.isWellFormed() && !value.includes("\u0000") ? value : null;
}
