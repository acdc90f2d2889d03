/** Who a credential speaks for. */
export interface Identity {
  userId: string;
  name: string | null;
  avatarUrl: string | null;
  /** Unix milliseconds; null for a development credential, which never ends. */
  expiresAt: number | null;
}

/** Why a credential was not accepted. */
export type RejectReason = "missing" | "invalid" | "expired";

export type Authentication = { ok: true; identity: Identity } | { ok: false; reason: RejectReason };

export const rejected = (reason: RejectReason): Authentication => ({ ok: false, reason });
