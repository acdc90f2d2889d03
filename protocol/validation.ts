import type { ZodError } from "zod";
import type { ErrorDetail } from "./errors.ts";

const DETAILS_MAX = 20;

/** What a schema found wrong, as the `details` of an error: paths and rules, never the values. */
export function toDetails(error: ZodError | undefined): ErrorDetail[] {
  return (error?.issues ?? []).slice(0, DETAILS_MAX).map(({ path, message }) => ({
    path: path.map(String).join("."),
    message,
  }));
}
