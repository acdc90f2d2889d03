import { z } from "zod";
import {
  attachment,
  conversation,
  message,
  messageBody,
  messageBodyInput,
  participant,
  profile,
  reaction,
  systemEvent,
} from "../../protocol/entities.ts";
import { ERROR_STATUS, type ErrorCode } from "../../protocol/errors.ts";
import { searchHit } from "../../protocol/rest.ts";

/** A JSON Schema of draft 2020-12, as OpenAPI 3.1 and AsyncAPI 3.0 take it. */
export type JsonSchema = { [key: string]: unknown };

const errorCode = z.enum(Object.keys(ERROR_STATUS) as [ErrorCode, ...ErrorCode[]]);

/** The error object of every failed request, from `protocol/errors.ts`. */
export const errorReply = z.object({
  error: z.object({
    code: errorCode,
    message: z.string().meta({ description: "For people. May change." }),
    retryable: z.boolean().meta({ description: "Whether the same request may succeed later, unchanged." }),
    retry_after_ms: z.int().min(0).optional(),
    details: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: "Each field that is wrong." }),
    request_id: z.string(),
  }),
});

/** Schemas that stand under a name of their own in the documents. */
const NAMED: Record<string, z.ZodType> = {
  Attachment: attachment,
  Conversation: conversation,
  Error: errorReply,
  Message: message,
  MessageBody: messageBody,
  MessageBodyInput: messageBodyInput,
  Participant: participant,
  Profile: profile,
  Reaction: reaction,
  SearchHit: searchHit,
  SystemEvent: systemEvent,
};

const registry = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });

/** Collects JSON Schemas made from the service's own; what has a name is referred to and collected once. */
export class SchemaCollector {
  readonly components: Record<string, JsonSchema> = {};
  readonly #made = { input: new Map<z.ZodType, JsonSchema>(), output: new Map<z.ZodType, JsonSchema>() };

  /**
   * @param side `input` for what a caller sends as JSON and for what the service replies, whose objects may gain fields
   *             later; `output` for what is read out of a URL, where a number is a number although it is written as text
   */
  toJsonSchema(schema: z.ZodType, side: "input" | "output" = "input"): JsonSchema {
    const made = this.#made[side].get(schema) ?? this.#make(schema, side);
    this.#made[side].set(schema, made);
    return made;
  }

  #make(schema: z.ZodType, side: "input" | "output"): JsonSchema {
    const {
      $schema: _,
      $defs: defs = {},
      ...json
    } = z.toJSONSchema(schema, {
      io: side,
      unrepresentable: "any",
      metadata: registry,
      override: ({ zodSchema, jsonSchema }) => {
        const words = wordsOf(zodSchema);
        if (words !== "") jsonSchema.description = words;
        // The pattern says what the format says, at length.
        if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
        for (const bound of ["minimum", "maximum"] as const)
          if (Math.abs(jsonSchema[bound] ?? 0) === Number.MAX_SAFE_INTEGER) delete jsonSchema[bound];
      },
    }) as JsonSchema & { $defs?: Record<string, JsonSchema> };
    for (const [name, definition] of Object.entries(defs)) {
      const { id: _id, ...rest } = definition;
      this.components[nameOf(name)] = redirect(rest) as JsonSchema;
    }
    const { id: ownName, ...rest } = json as JsonSchema;
    if (typeof ownName !== "string") return redirect(rest) as JsonSchema;
    this.components[ownName] = redirect(rest) as JsonSchema;
    return { $ref: `#/components/schemas/${ownName}` };
  }
}

/** What is said of a schema, and those of its rules that JSON Schema has no keyword for. */
function wordsOf(schema: z.core.$ZodType): string {
  const description = z.globalRegistry.get(schema)?.description;
  const rules = (schema._zod.def.checks ?? []).flatMap(({ _zod: { def } }) => {
    // The messages of `protocol/` are plain text, whatever the value.
    const message = def.check === "custom" ? def.error?.({} as never) : undefined;
    const path = "path" in def && Array.isArray(def.path) ? `${def.path.join(".")} ` : "";
    return typeof message === "string" ? [`${path}${message}`] : [];
  });
  return [...(description === undefined ? [] : [description]), ...rules].join("; ");
}

/** What has no name of its own is the one schema that refers to itself: any JSON. */
const nameOf = (name: string): string => (name.startsWith("__") ? "Json" : name);

/** Points references at the components of the document. */
function redirect(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redirect);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === "$ref" && typeof item === "string"
        ? `#/components/schemas/${nameOf(item.replace("#/$defs/", ""))}`
        : redirect(item),
    ]),
  );
}
