import type { RouterRoute } from "hono/types";
import type { z } from "zod";
import { ERROR_STATUS, type ErrorCode } from "../../protocol/errors.ts";
import { ON_BEHALF_OF, ROUTE_SCOPES } from "../auth/service.ts";
import { SESSION_COOKIES } from "../auth/session-token.ts";
import { type Validation, validationOf } from "../middleware/validated.ts";
import { OPERATIONS, type Operation } from "./operations.ts";
import { errorReply, type JsonSchema, SchemaCollector } from "./schemas.ts";

/** An OpenAPI 3.1 document, as JSON. */
export interface OpenApiDocument {
  openapi: "3.1.0";
  info: { title: string; version: string; description: string };
  servers: Array<{ url: string }>;
  tags: Array<{ name: string }>;
  paths: Record<string, Record<string, OperationObject>>;
  components: { schemas: Record<string, JsonSchema>; securitySchemes: Record<string, SecurityScheme> };
}

export interface SecurityScheme {
  type: "http" | "apiKey";
  scheme?: "bearer";
  in?: "header" | "cookie";
  name?: string;
  description: string;
}

export interface ParameterObject {
  name: string;
  in: "path" | "query" | "header";
  required: boolean;
  schema: JsonSchema;
}

export interface OperationObject {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  security: Array<Record<string, string[]>>;
  parameters: ParameterObject[];
  requestBody?: { required: boolean; content: { "application/json": { schema: JsonSchema } } };
  responses: Record<string, ResponseObject>;
}

export interface ResponseObject {
  description: string;
  headers: Record<string, { description: string; schema: JsonSchema }>;
  content?: { "application/json": { schema: JsonSchema } };
}

/** Errors that every operation with a credential may answer with, and every one at all. */
const COMMON_ERRORS: readonly ErrorCode[] = ["RATE_LIMITED", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"];
const CREDENTIAL_ERRORS: readonly ErrorCode[] = ["UNAUTHORIZED", "FORBIDDEN"];

const REQUEST_ID = { description: "Names the request in the service's logs.", schema: { type: "string" } };
const WWW_AUTHENTICATE = { description: "`Bearer`.", schema: { type: "string" } };
const RETRY_AFTER = { description: "Seconds after which to try again.", schema: { type: "integer" } };

/**
 * The REST API, made from what runs: methods, paths and validators are those of the routes, what else there is to say
 * stands in {@link OPERATIONS}.
 */
export function openApiDocument(routes: readonly RouterRoute[]): OpenApiDocument {
  const collector = new SchemaCollector();
  const paths: OpenApiDocument["paths"] = {};
  for (const [route, operation] of Object.entries(OPERATIONS)) {
    const [method = "", path = ""] = route.split(" ");
    const validations = routes
      .filter((candidate) => candidate.method === method && candidate.path === path)
      .flatMap(({ handler }) => validationOf(handler) ?? []);
    const documented = path.replace(/:(\w+)/g, "{$1}");
    paths[documented] = {
      ...paths[documented],
      [method.toLowerCase()]: toOperation(route, operation, validations, collector),
    };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "ArcYou Chat",
      version: "1",
      description:
        "Conversations, history, search and read state. Live events come over WebSockets: /api/asyncapi.json describes them. Success is `{ data }`, a list adds `has_more`; every failure is the error object.",
    },
    servers: [{ url: "/" }],
    tags: [...new Set(Object.values(OPERATIONS).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(collector.components).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description:
            "Of a user: a chat token of POST /api/auth/token, a JWT of the application, or a session token of Auth.js.",
        },
        service_key: {
          type: "http",
          scheme: "bearer",
          description: "The key of a back end. What it may do is in its scopes.",
        },
        on_behalf_of: {
          type: "apiKey",
          in: "header",
          name: ON_BEHALF_OF,
          description: "The user a service acts for, percent-encoded, with that user's own rights.",
        },
        ...Object.fromEntries(
          SESSION_COOKIES.map(({ name, version }): [string, SecurityScheme] => [
            cookieScheme(name),
            {
              type: "apiKey",
              in: "cookie",
              name,
              description: `The session of Auth.js ${version}, from pages of allowed origins.`,
            },
          ]),
        ),
      },
    },
  };
}

function toOperation(
  route: string,
  operation: Operation,
  validations: readonly Validation[],
  collector: SchemaCollector,
): OperationObject {
  const { tag, summary, isOpen, replies, errors } = operation;
  const body = validations.find(({ target }) => target === "json");
  const parameters = validations.flatMap(({ target, schema }) => toParameters(target, schema, collector));
  const description = [operation.description, ...parameterRules(validations, collector)]
    .filter((text) => text !== undefined)
    .join(" ");
  const codes = new Set<ErrorCode>([
    ...errors,
    ...COMMON_ERRORS,
    ...(isOpen ? [] : CREDENTIAL_ERRORS),
    ...(validations.length > 0 || !isOpen ? (["VALIDATION_FAILED"] as const) : []),
    ...(body ? (["PAYLOAD_TOO_LARGE"] as const) : []),
  ]);
  return {
    operationId: operationId(route),
    tags: [tag],
    summary,
    ...(description === "" ? {} : { description }),
    security: toSecurity(route, operation),
    parameters,
    ...(body
      ? {
          requestBody: {
            required: !body.schema.safeParse({}).success,
            content: { "application/json": { schema: collector.toJsonSchema(body.schema) } },
          },
        }
      : {}),
    responses: { ...toReplies(replies, collector), ...toErrors(codes, collector) },
  };
}

const cookieScheme = (name: string): string => `cookie ${name}`.replace(/[^A-Za-z0-9]+/g, "_");

/** The ways to call it, each enough alone. The scopes a service needs stand as the roles of its key. */
function toSecurity(route: string, { isOpen, isForServices }: Operation): OperationObject["security"] {
  if (isOpen) return [];
  const scopes = ROUTE_SCOPES[route] ?? [];
  if (isForServices) return scopes.map((scope) => ({ service_key: [scope] }));
  return [
    { bearer: [] },
    ...SESSION_COOKIES.map(({ name }) => ({ [cookieScheme(name)]: [] })),
    ...scopes.map((scope) => ({ service_key: [scope], on_behalf_of: [] })),
  ];
}

const PLACES: Partial<Record<Validation["target"], ParameterObject["in"]>> = {
  param: "path",
  query: "query",
  header: "header",
};

/** What is said of parameters together, and has no place in any of them. */
function parameterRules(validations: readonly Validation[], collector: SchemaCollector): string[] {
  return validations
    .filter(({ target }) => PLACES[target] !== undefined)
    .map(({ schema }) => collector.toJsonSchema(schema).description)
    .filter((rule) => typeof rule === "string")
    .map((rule) => `${rule}.`);
}

/** One parameter for each property: what it becomes, because a URL holds nothing but text. */
function toParameters(
  target: Validation["target"],
  schema: z.ZodType,
  collector: SchemaCollector,
): ParameterObject[] {
  const place = PLACES[target];
  if (!place) return [];
  const written = collector.toJsonSchema(schema) as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  const { properties = {} } = collector.toJsonSchema(schema, "output") as {
    properties?: Record<string, JsonSchema>;
  };
  return Object.entries(properties).map(([name, property]) => ({
    name: place === "header" ? name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase()) : name,
    in: place,
    required: (written.required ?? []).includes(name),
    // What a text is made into on the way may be beyond JSON Schema; the text is not.
    schema: "type" in property ? property : (written.properties?.[name] ?? {}),
  }));
}

function toReplies(
  replies: Operation["replies"],
  collector: SchemaCollector,
): Record<string, ResponseObject> {
  return Object.fromEntries(
    Object.entries(replies).map(([status, schema]) => [
      status,
      {
        description: status === "201" ? "Created." : status === "204" ? "Done." : "Success.",
        headers: { "X-Request-Id": REQUEST_ID },
        ...(schema ? { content: { "application/json": { schema: collector.toJsonSchema(schema) } } } : {}),
      },
    ]),
  );
}

function toErrors(codes: ReadonlySet<ErrorCode>, collector: SchemaCollector): Record<string, ResponseObject> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const status = ERROR_STATUS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const schema = collector.toJsonSchema(errorReply);
  return Object.fromEntries(
    [...byStatus].map(([status, these]) => [
      String(status),
      {
        description: these.join(", "),
        headers: {
          "X-Request-Id": REQUEST_ID,
          ...(status === 401 ? { "WWW-Authenticate": WWW_AUTHENTICATE } : {}),
          ...(status === 429 || status === 503 ? { "Retry-After": RETRY_AFTER } : {}),
        },
        content: {
          "application/json": {
            schema: { allOf: [schema], properties: { error: { properties: { code: { enum: these } } } } },
          },
        },
      },
    ]),
  );
}

/** `GET /api/conversations/:id/messages` is `getConversationsByIdMessages`. */
function operationId(route: string): string {
  const [method = "", path = ""] = route.split(" ");
  const words = path
    .replace("/api/", "")
    .split("/")
    .flatMap((part) => (part.startsWith(":") ? ["by", ...part.slice(1).split("_")] : part.split("-")));
  return [method.toLowerCase(), ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join(
    "",
  );
}
