import type { ZodError, z } from "zod";
import { findUncleanJson } from "./clean-json.ts";
import type { ErrorDetail } from "./errors.ts";

const DETAILS_MAX = 20;

/** What a schema found wrong, as the `details` of an error: paths and rules, never the values. */
export function toDetails(error: ZodError | undefined): ErrorDetail[] {
  return (error?.issues ?? []).slice(0, DETAILS_MAX).map(({ path, message }) => ({
    path: path.map(String).join("."),
    message,
  }));
}

/** Says of a value that somebody sent whether it is what it should be, or what is wrong with it. */
export type Check<T> = (
  value: unknown,
) => { ok: true; value: T } | { ok: false; details: Array<{ path: string; message: string }> };

/** A check by a schema, and for what could not be stored. */
export function checkBy<T>(schema: z.ZodType<T>): Check<T> {
  return (value) => {
    const unclean = findUncleanJson(value);
    if (unclean) return { ok: false, details: [unclean] };
    const parsed = schema.safeParse(value);
    return parsed.success
      ? { ok: true, value: parsed.data }
      : { ok: false, details: toDetails(parsed.error) };
  };
}
