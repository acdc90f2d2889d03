import type { ErrorHandler, NotFoundHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { describeError, sqlState } from "../../db/client.ts";
import { ERROR_STATUS, type Refusal, type Result, refuse, toErrorBody } from "../../protocol/errors.ts";
import type { AppContext, AppEnv } from "../context.ts";

/** A refusal on its way to the error handler. */
export class RefusalError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.code);
    this.refusal = refusal;
  }
}

/** The value of a result; its refusal becomes the response. */
export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new RefusalError(result.error);
  return result.value;
}

/** Answers with the contract's error object. */
export function errorResponse(c: AppContext, refusal: Refusal): Response {
  if (refusal.retry_after_ms !== undefined)
    c.header("Retry-After", String(Math.ceil(refusal.retry_after_ms / 1000)));
  if (refusal.code === "UNAUTHORIZED") c.header("WWW-Authenticate", "Bearer");
  return c.json({ error: toErrorBody(refusal, c.get("requestId")) }, ERROR_STATUS[refusal.code]);
}

export const handleNotFound: NotFoundHandler<AppEnv> = (c) =>
  errorResponse(c, refuse("NOT_FOUND", "There is no such route.").error);

/** Turns whatever was thrown into the error object; what is not a refusal is logged and not shown. */
export const handleError: ErrorHandler<AppEnv> = (error, c) => {
  if (error instanceof RefusalError) return errorResponse(c, error.refusal);
  if (error instanceof HTTPException && error.status === 400) {
    return errorResponse(c, refuse("VALIDATION_FAILED", "The body is not valid JSON.").error);
  }
  console.error(
    JSON.stringify({
      event: "request_failed",
      request_id: c.get("requestId"),
      sql_state: sqlState(error),
      error: describeError(error),
    }),
  );
  return errorResponse(
    c,
    isDatabaseAway(error) ? databaseAway : refuse("INTERNAL_ERROR", "Something went wrong here.").error,
  );
};

const databaseAway = refuse("SERVICE_UNAVAILABLE", "The database cannot be reached. Try again.", {
  retry_after_ms: 2_000,
}).error;

/** The driver's own error without a SQLSTATE: Postgres gave no answer. Classes 08, 53 and 57: it refused service. */
function isDatabaseAway(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return ["08", "53", "57"].includes(state.slice(0, 2));
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at.name === "NeonDbError" || at.name === "DrizzleQueryError") return true;
  }
  return false;
}
