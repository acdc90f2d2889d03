import type { ErrorCode, ErrorDetail } from "../protocol/errors.ts";

/** Codes of the service, and `NETWORK_ERROR`: no answer came, so what became of the request is not known. */
export type ChatErrorCode = ErrorCode | "NETWORK_ERROR";

/** What {@link ChatError} is made of besides its code and message. */
export interface ChatErrorFields {
  retryable?: boolean | undefined;
  /** Milliseconds to wait before a retry, where the server said. */
  retry_after_ms?: number | undefined;
  /** Each field that failed validation. */
  details?: readonly ErrorDetail[] | undefined;
  /** For the operator's logs; null when no server answered. */
  request_id?: string | null | undefined;
  /** HTTP status, for REST errors; null otherwise. */
  status?: number | null | undefined;
  cause?: unknown;
}

/**
 * What this library rejects with and reports; each code has a class of its own. `code` is stable, `message` is for
 * people.
 */
export class ChatError extends Error {
  override readonly name: string = "ChatError";
  readonly code: ChatErrorCode;
  /** Whether the same request may succeed later, unchanged. */
  readonly retryable: boolean;
  readonly retry_after_ms: number | undefined;
  readonly details: readonly ErrorDetail[] | undefined;
  readonly request_id: string | null;
  readonly status: number | null;

  /** Made by {@link chatError}, which picks the class of the code. */
  constructor(code: ChatErrorCode, message: string, fields: ChatErrorFields = {}) {
    super(message, { cause: fields.cause });
    this.code = code;
    this.retryable = fields.retryable ?? false;
    this.retry_after_ms = fields.retry_after_ms;
    this.details = fields.details;
    this.request_id = fields.request_id ?? null;
    this.status = fields.status ?? null;
  }
}

/** 401: the credential is missing, wrong or has ended. */
export class UnauthorizedError extends ChatError {
  declare readonly code: "UNAUTHORIZED";
}
/** 403: a participant without the role that this takes. */
export class ForbiddenError extends ChatError {
  declare readonly code: "FORBIDDEN";
}
/** 404: there is no such conversation, or the user takes no part in it. */
export class ConversationNotFoundError extends ChatError {
  declare readonly code: "CONVERSATION_NOT_FOUND";
}
/** 404: there is no such message, or the user does not see it. */
export class MessageNotFoundError extends ChatError {
  declare readonly code: "MESSAGE_NOT_FOUND";
}
/** 404: there is no such thing. */
export class NotFoundError extends ChatError {
  declare readonly code: "NOT_FOUND";
}
/** 400: `details` names each field. */
export class ValidationFailedError extends ChatError {
  declare readonly code: "VALIDATION_FAILED";
}
/** 409: it does not go together with how things are. */
export class ConflictError extends ChatError {
  declare readonly code: "CONFLICT";
}
/** 413: larger than the service takes. */
export class PayloadTooLargeError extends ChatError {
  declare readonly code: "PAYLOAD_TOO_LARGE";
}
/** 429: too much at once; `retry_after_ms` says when to go on. */
export class RateLimitedError extends ChatError {
  declare readonly code: "RATE_LIMITED";
}
/** 503: the message could not be taken. */
export class MessageSendFailedError extends ChatError {
  declare readonly code: "MESSAGE_SEND_FAILED";
}
/** 503: later perhaps. */
export class ServiceUnavailableError extends ChatError {
  declare readonly code: "SERVICE_UNAVAILABLE";
}
/** 500: a fault of the service; `request_id` finds it in its logs. */
export class InternalError extends ChatError {
  declare readonly code: "INTERNAL_ERROR";
}
/** No answer came: it may or may not have been done. */
export class NetworkError extends ChatError {
  declare readonly code: "NETWORK_ERROR";
}

const CLASSES = {
  UNAUTHORIZED: UnauthorizedError,
  FORBIDDEN: ForbiddenError,
  CONVERSATION_NOT_FOUND: ConversationNotFoundError,
  MESSAGE_NOT_FOUND: MessageNotFoundError,
  NOT_FOUND: NotFoundError,
  VALIDATION_FAILED: ValidationFailedError,
  CONFLICT: ConflictError,
  PAYLOAD_TOO_LARGE: PayloadTooLargeError,
  RATE_LIMITED: RateLimitedError,
  MESSAGE_SEND_FAILED: MessageSendFailedError,
  SERVICE_UNAVAILABLE: ServiceUnavailableError,
  INTERNAL_ERROR: InternalError,
  NETWORK_ERROR: NetworkError,
} satisfies Record<ChatErrorCode, typeof ChatError>;

/** The error of a code. One that this version does not know is an {@link InternalError}. */
export function chatError(code: string, message: string, fields?: ChatErrorFields): ChatError {
  const known = (Object.hasOwn(CLASSES, code) ? code : "INTERNAL_ERROR") as ChatErrorCode;
  return new CLASSES[known](known, message, fields);
}

/** No answer came. */
export const networkError = (message: string, cause?: unknown): ChatError =>
  chatError("NETWORK_ERROR", message, { retryable: true, cause });

/** The error object as it crosses the wire, its code not yet known to be one of ours. */
export interface WireError extends Omit<ChatErrorFields, "cause"> {
  code: string;
  message: string;
}

/** From the service's error object. @param status of the reply it came in */
export const fromWire = ({ code, message, ...fields }: WireError, status?: number): ChatError =>
  chatError(code, message, { ...fields, status });

/** The error in a reply of the service, or of something in front of it. */
export function toError(status: number, reply: unknown): ChatError {
  const wire = (reply as { error?: Partial<WireError> } | null | undefined)?.error;
  if (typeof wire?.code === "string" && typeof wire.message === "string")
    return fromWire(wire as WireError, status);
  return chatError(CODES[status] ?? "INTERNAL_ERROR", `The service answered with status ${status}.`, {
    retryable: status === 429 || status >= 500,
    status,
  });
}

const CODES: Record<number, string> = {
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  413: "PAYLOAD_TOO_LARGE",
  429: "RATE_LIMITED",
  502: "SERVICE_UNAVAILABLE",
  503: "SERVICE_UNAVAILABLE",
  504: "SERVICE_UNAVAILABLE",
};
