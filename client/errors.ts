import { ERROR_STATUS, type ErrorCode, type ErrorDetail } from "../protocol/errors.ts";

/** Codes of the service, and `NETWORK_ERROR`: no answer came, so what became of the request is not known. */
export type ChatErrorCode = ErrorCode | "NETWORK_ERROR";

/** What {@link ChatError} is made of besides its code and message. */
export interface ChatErrorFields {
  retryable: boolean;
  /** Milliseconds to wait before a retry, where the server said. */
  retry_after_ms?: number | undefined;
  /** Each field that failed validation. */
  details?: readonly ErrorDetail[] | undefined;
  /** For the operator's logs; null when no server answered. */
  request_id?: string | null;
  /** HTTP status, for REST errors and for codes that have one; null otherwise. */
  status?: number | null;
  cause?: unknown;
}

/** The one error this library rejects with and reports. `code` is stable, `message` is for people. */
export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly code: ChatErrorCode;
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean;
  readonly retry_after_ms: number | undefined;
  readonly details: readonly ErrorDetail[] | undefined;
  readonly request_id: string | null;
  readonly status: number | null;

  constructor(code: ChatErrorCode, message: string, fields: ChatErrorFields) {
    super(message, { cause: fields.cause });
    this.code = code;
    this.retryable = fields.retryable;
    this.retry_after_ms = fields.retry_after_ms;
    this.details = fields.details;
    this.request_id = fields.request_id ?? null;
    this.status = fields.status ?? null;
  }

  /** Whether `value` is the error object of the service's replies and events. */
  static isWire(value: unknown): value is WireError {
    return (
      typeof value === "object" &&
      value !== null &&
      "code" in value &&
      typeof value.code === "string" &&
      "message" in value &&
      typeof value.message === "string"
    );
  }

  /** From the service's error object. A code this version does not know becomes `INTERNAL_ERROR`. */
  static fromWire(error: WireError, status?: number): ChatError {
    const code = isErrorCode(error.code) ? error.code : "INTERNAL_ERROR";
    return new ChatError(code, error.message, {
      retryable: error.retryable ?? false,
      retry_after_ms: error.retry_after_ms,
      details: error.details,
      request_id: error.request_id ?? null,
      status: status ?? ERROR_STATUS[code],
    });
  }

  /** No answer came. */
  static network(message: string, cause?: unknown): ChatError {
    return new ChatError("NETWORK_ERROR", message, { retryable: true, cause });
  }
}

/** The error object as it crosses the wire, its code not yet known to be one of ours. */
export interface WireError {
  code: string;
  message: string;
  retryable?: boolean;
  retry_after_ms?: number | undefined;
  details?: ErrorDetail[] | undefined;
  request_id?: string;
}

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERROR_STATUS, code);
