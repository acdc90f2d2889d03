/** Every error code of the service, with the HTTP status REST answers it with. */
export const ERROR_STATUS = {
  VALIDATION_FAILED: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  CONVERSATION_NOT_FOUND: 404,
  MESSAGE_NOT_FOUND: 404,
  NOT_FOUND: 404,
  CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  INTERNAL_ERROR: 500,
  MESSAGE_SEND_FAILED: 503,
  SERVICE_UNAVAILABLE: 503,
} as const;

/** Codes a server sends. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** One field that failed validation: its path (`body.text`) and what is wrong with it. */
export interface ErrorDetail {
  path: string;
  message: string;
}

/** The error object of REST replies and of socket `error` events. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  /** Whether the same request may succeed later, unchanged. */
  retryable: boolean;
  /** Milliseconds to wait before a retry, where the server knows. */
  retry_after_ms?: number;
  details?: ErrorDetail[];
  request_id: string;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  "RATE_LIMITED",
  "INTERNAL_ERROR",
  "MESSAGE_SEND_FAILED",
  "SERVICE_UNAVAILABLE",
]);

/** Whether a request that got this code may be sent again unchanged. */
export function isRetryable(code: ErrorCode): boolean {
  return RETRYABLE.has(code);
}

/** A refusal as data: what crosses RPC and becomes an {@link ErrorBody} at the edge. */
export interface Refusal {
  code: ErrorCode;
  message: string;
  retry_after_ms?: number;
  details?: ErrorDetail[];
}

/** A value or a refusal. RPC keeps no error classes, so both sides exchange this. */
export type Result<T> = { ok: true; value: T } | { ok: false; error: Refusal };

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });

/** A refusal of the given code. */
export const refuse = (
  code: ErrorCode,
  message: string,
  more: Pick<Refusal, "retry_after_ms" | "details"> = {},
): { ok: false; error: Refusal } => ({ ok: false, error: { code, message, ...more } });

/** What anybody who is not a participant gets, whether the conversation exists or not. */
export const conversationNotFound = (): { ok: false; error: Refusal } =>
  refuse("CONVERSATION_NOT_FOUND", "There is no such conversation.");

/** The wire form of a refusal. */
export function toErrorBody(refusal: Refusal, requestId: string): ErrorBody {
  return { ...refusal, retryable: isRetryable(refusal.code), request_id: requestId };
}
