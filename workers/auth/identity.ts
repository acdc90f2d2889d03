import type { UnauthorizedReason } from "../../protocol/close-codes.ts";

/** Who a credential speaks for. */
export interface Identity {
  userId: string;
  name: string | null;
  avatarUrl: string | null;
  /** Unix milliseconds; null for a development credential, which never ends. */
  expiresAt: number | null;
  /** The credential's own id, by which it can be revoked; null if it has none. */
  jti: string | null;
  /** When the credential was made, Unix milliseconds; null where it does not say. */
  issuedAtMs: number | null;
}

export type Authentication = { ok: true; identity: Identity } | { ok: false; reason: UnauthorizedReason };

export const rejected = (reason: UnauthorizedReason): Authentication => ({ ok: false, reason });
