import asyncApiSchema from "@asyncapi/specs/schemas/3.0.0-without-$id.json" with { type: "json" };
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv } from "ajv";
import addFormatsModule from "ajv-formats";
import { expect, test } from "vitest";
import { COMMAND_TYPES, durableEvent, inboxEvent } from "../../protocol/frames.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { app } from "../app.ts";
import type { AsyncApiDocument } from "./asyncapi.ts";
import type { OpenApiDocument } from "./openapi.ts";
import { OPERATIONS } from "./operations.ts";

const read = async <T>(path: string): Promise<T> => {
  const response = await app.request(`https://chat.example.com${path}`, {}, {});
  expect(response.status).toBe(200);
  return (await response.json()) as T;
};

test("O1: the REST API is described by a valid OpenAPI 3.1 document", async () => {
  const document = await read<OpenApiDocument>("/api/openapi.json");
  expect(await new Validator().validate(structuredClone(document) as never)).toMatchObject({ valid: true });
});

test("O1: every route of the API is in it, with the schemas that validate it", async () => {
  const undocumented = /socket$|openapi\.json$|asyncapi\.json$|\/docs(\/style\.css)?$/;
  const routes = new Set(
    app.routes
      .filter(({ method, path }) => method !== "ALL" && path.startsWith("/api/") && !undocumented.test(path))
      .map(({ method, path }) => `${method} ${path}`),
  );
  expect(Object.keys(OPERATIONS).sort()).toEqual([...routes].sort());
  const document = await read<OpenApiDocument>("/api/openapi.json");
  for (const route of routes) {
    const [method = "", path = ""] = route.split(" ");
    const operation = document.paths[path.replace(/:(\w+)/g, "{$1}")]?.[method.toLowerCase()];
    const named = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
    const inPath = operation?.parameters
      .filter((parameter) => parameter.in === "path")
      .map(({ name }) => name);
    expect([route, inPath]).toEqual([route, named]);
    if (["POST", "PATCH"].includes(method))
      expect([route, operation?.requestBody]).not.toEqual([route, undefined]);
  }
});

test("O1: it says in words what JSON Schema cannot", async () => {
  const document = await read<OpenApiDocument>("/api/openapi.json");
  const { patch } = document.paths["/api/conversations/{id}"] ?? {};
  const body = patch?.requestBody?.content["application/json"].schema;
  expect(body).toMatchObject({
    description: "must have title or history_visibility",
    properties: { title: { anyOf: [{ description: "must have at most 200 characters" }, { type: "null" }] } },
  });
  const page = document.paths["/api/conversations/{id}/messages"]?.get;
  expect(page?.description).toContain("after_id cannot be combined with before_id.");
  const react = document.paths["/api/conversations/{id}/messages/{message_id}/reactions/{emoji}"]?.put;
  expect(react?.parameters.find(({ name }) => name === "emoji")?.schema).toMatchObject({
    type: "string",
    maxLength: LIMITS.emojiLength,
    description: "must be one emoji, or a name such as :party:",
  });
  expect(page?.responses[200]?.content?.["application/json"].schema).toMatchObject({
    properties: { has_more: { description: expect.any(String) } },
  });
});

test("O2: the sockets are described by a valid AsyncAPI 3.0 document, with every command and event", async () => {
  const document = await read<AsyncApiDocument>("/api/asyncapi.json");
  const ajv = new Ajv({ strict: false, logger: false, validateSchema: false });
  (addFormatsModule as unknown as (ajv: Ajv) => void)(ajv);
  const isValid = ajv.compile(asyncApiSchema);
  isValid(document);
  expect(isValid.errors).toBeNull();
  const events = durableEvent.options.map((option) => option.shape.type.value);
  const others = ["ready", "synced", "auth.expiring", "auth.refreshed", "error"];
  const live = ["read.updated", "user.typing", "presence.updated"];
  const inbox = [...inboxEvent.options.map((option) => option.shape.type.value), "auth.refresh"];
  expect(Object.keys(document.components.messages).sort()).toEqual(
    [...COMMAND_TYPES, ...events, ...others, ...live, ...inbox.map((type) => `inbox.${type}`)].sort(),
  );
});

test("O3: the page is complete, runs no script, and keeps to the service's content security policy", async () => {
  const response = await app.request("https://chat.example.com/api/docs", {}, {});
  const page = await response.text();
  expect(page).not.toMatch(/<script|<style|style=|onclick/);
  const document = await read<OpenApiDocument>("/api/openapi.json");
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const operation of Object.values(methods)) {
      expect(page).toContain(`id="${operation.operationId}"`);
      expect(page).toContain(path);
    }
  }
  const style = await app.request("https://chat.example.com/api/docs/style.css", {}, {});
  expect(style.headers.get("Content-Type")).toContain("text/css");
  const tag = response.headers.get("ETag") ?? "";
  const again = await app.request(
    "https://chat.example.com/api/docs",
    { headers: { "If-None-Match": tag } },
    {},
  );
  expect(again.status).toBe(304);
});
