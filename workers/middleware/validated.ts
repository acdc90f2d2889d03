import { zValidator } from "@hono/zod-validator";
import type { MiddlewareHandler, ValidationTargets } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ZodType } from "zod";
import { findUncleanJson } from "../../protocol/clean-json.ts";
import { refuse } from "../../protocol/errors.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { toDetails } from "../../protocol/validation.ts";
import type { AppContext } from "../context.ts";
import { errorResponse, RefusalError } from "./errors.ts";

/** Validators by what they validate: the API's document is made from those that run. */
const validations = new WeakMap<object, Validation>();

export interface Validation {
  target: keyof ValidationTargets;
  schema: ZodType;
}

/** What a handler of a route validates; undefined if it is no validator. */
export const validationOf = (handler: object): Validation | undefined => validations.get(handler);

/** Validates one part of a request with a schema of `protocol/`; a refusal names each field. */
export const validated = <Target extends keyof ValidationTargets, Schema extends ZodType>(
  target: Target,
  schema: Schema,
) => {
  const validator = validate(target, schema);
  validations.set(validator, { target, schema });
  return validator;
};

const validate = <Target extends keyof ValidationTargets, Schema extends ZodType>(
  target: Target,
  schema: Schema,
) =>
  zValidator(target, schema, (result, c) => {
    const unclean = findUncleanJson(result.data);
    if (result.success && !unclean) return undefined;
    if (target === "json" && !isJson(c.req.header("Content-Type"))) {
      const message = "The body must be JSON: Content-Type: application/json.";
      return errorResponse(c as AppContext, refuse("VALIDATION_FAILED", message).error);
    }
    const details = unclean ? [unclean] : toDetails(result.success ? undefined : (result.error as never));
    return errorResponse(
      c as AppContext,
      refuse("VALIDATION_FAILED", `The ${target} is not valid.`, { details }).error,
    );
  });

const isJson = (contentType = ""): boolean => /^application\/json\b/i.test(contentType);

/** Refuses bodies beyond the limit. */
export const limitBody = (): MiddlewareHandler =>
  bodyLimit({
    maxSize: LIMITS.requestBytes,
    onError: () => {
      const message = `The body has more than ${LIMITS.requestBytes} bytes.`;
      throw new RefusalError(refuse("PAYLOAD_TOO_LARGE", message).error);
    },
  });
