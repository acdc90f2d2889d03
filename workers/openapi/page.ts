import { html, raw } from "hono/html";
import type { AsyncApiDocument, MessageObject } from "./asyncapi.ts";
import type { OpenApiDocument, OperationObject } from "./openapi.ts";
import type { JsonSchema } from "./schemas.ts";

/** The style of the page. */
export const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; font: 1rem/1.55 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; } h2 { margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: .95rem; margin: 1rem 0 .35rem; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .6rem .8rem; display: flex; flex-wrap: wrap; gap: .2rem .7rem; align-items: baseline; }
summary code { font-weight: 600; overflow-wrap: anywhere; } summary span { opacity: .75; }
details > div { padding: 0 .8rem .8rem; }
.method { display: inline-block; min-width: 3.6rem; font: 700 .8rem ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); }
pre { overflow-x: auto; background: color-mix(in srgb, currentColor 7%, transparent); border-radius: .4rem; padding: .7rem; margin: .35rem 0; font-size: .85rem; }
i { opacity: .7; font-style: normal; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: 1rem 0; } a { color: LinkText; }
`;

/** The API as a page that can be read, searched with the browser's own search, and opened offline. No script runs on it. */
export function documentationPage(openapi: OpenApiDocument, asyncapi: AsyncApiDocument) {
  const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const anchor = (name: string): string => name.toLowerCase();
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ArcYou Chat API</title>
<link rel="stylesheet" href="/api/docs/style.css">
</head>
<body>
<header>
<h1>ArcYou Chat API</h1>
<p>${prose(openapi.info.description)}</p>
<p>For programs: <a href="/api/openapi.json">OpenAPI 3.1</a>, <a href="/api/asyncapi.json">AsyncAPI 3.0</a>.</p>
<nav aria-label="Sections">
${["Access", ...openapi.tags.map(({ name }) => name), "Sockets", "Schemas"].map(
  (name) => html`<a href="#${anchor(name)}">${name}</a>`,
)}
</nav>
</header>
<main>
<section id="access"><h2>Access</h2>
<table><tbody>${Object.values(openapi.components.securitySchemes).map(
    ({ type, name, in: place, description }) =>
      html`<tr><th scope="row"><code>${type === "http" ? "Authorization: Bearer" : name}</code></th><td>${
        place ?? "header"
      }</td><td>${description}</td></tr>`,
  )}</tbody></table>
</section>
${openapi.tags.map(
  ({ name }) => html`<section id="${anchor(name)}"><h2>${name}</h2>
${operations
  .filter(({ operation }) => operation.tags.includes(name))
  .map(({ path, method, operation }) => operationSection(path, method, operation))}
</section>`,
)}
<section id="sockets"><h2>Sockets</h2>
${asyncapi.info.description.split("\n\n").map((paragraph) => html`<p>${prose(paragraph)}</p>`)}
${Object.values(asyncapi.components.messages).map(messageSection)}
</section>
<section id="schemas"><h2>Schemas</h2>
${Object.entries({ ...asyncapi.components.schemas, ...openapi.components.schemas }).map(
  ([name, schema]) =>
    html`<details id="schema-${name}"><summary><code>${name}</code></summary><div>${shape(schema)}</div></details>`,
)}
</section>
</main>
</body>
</html>`;
}

function operationSection(path: string, method: string, operation: OperationObject) {
  const { operationId, summary, description, security, parameters, requestBody, responses } = operation;
  const scopes = security.flatMap(({ service_key: scope = [] }) => scope);
  return html`<details id="${operationId}">
<summary><span class="method">${method.toUpperCase()}</span><code>${path}</code><span>${summary}</span></summary>
<div>
${description === undefined ? "" : html`<p>${prose(description)}</p>`}
<p>${
    security.length === 0
      ? "Open to everybody."
      : prose(`A service key needs the scope ${scopes.map((scope) => `\`${scope}\``).join(" or ")}.`)
  }</p>
${
  parameters.length === 0
    ? ""
    : html`<h3>Parameters</h3><table><tbody>${parameters.map(
        (parameter) =>
          html`<tr><th scope="row"><code>${parameter.name}</code></th><td>${parameter.in}${
            parameter.required ? ", required" : ""
          }</td><td>${inWords(parameter.schema)}</td></tr>`,
      )}</tbody></table>`
}
${requestBody ? html`<h3>Body</h3>${shape(requestBody.content["application/json"].schema)}` : ""}
<h3>Replies</h3>
${Object.entries(responses).map(
  ([status, { description: text, content }]) =>
    html`<p><strong>${status}</strong> ${text}</p>${
      content && Number(status) < 300 ? shape(content["application/json"].schema) : ""
    }`,
)}
</div>
</details>`;
}

function messageSection({ name, payload }: MessageObject) {
  return html`<details><summary><code>${name}</code></summary><div>${shape(payload)}</div></details>`;
}

/** A schema of a parameter on one line. */
const inWords = (schema: JsonSchema): string =>
  [String(schema.type ?? ""), ...rulesOf(schema)].filter(Boolean).join(", ");

const BOUNDS: Record<string, string> = {
  format: "",
  pattern: "matches ",
  default: "default ",
  minLength: "length at least ",
  maxLength: "length at most ",
  minimum: "at least ",
  maximum: "at most ",
  minItems: "items at least ",
  maxItems: "items at most ",
  description: "",
};

/** What holds of a value besides its type; of one that may be null, what holds of the value. */
function rulesOf(schema: JsonSchema): string[] {
  const options = ((schema.anyOf ?? []) as JsonSchema[]).filter(({ type }) => type !== "null");
  const only = options.length === 1 ? (options[0] ?? {}) : {};
  return Object.entries({ ...only, ...schema }).flatMap(([key, value]) =>
    key in BOUNDS ? [`${BOUNDS[key]}${value}`] : [],
  );
}

function shape(schema: JsonSchema) {
  const rules = typeof schema.description === "string" ? html`<p>${schema.description}.</p>` : "";
  return html`<pre><code>${raw(shapeOf(schema, ""))}</code></pre>${rules}`;
}

/** A schema as TypeScript would write it, with links to what has a name; markup, its text escaped. */
function shapeOf(schema: JsonSchema, indent: string): string {
  const { type, properties, items, anyOf, oneOf } = schema as {
    type?: string | string[];
    properties?: Record<string, JsonSchema>;
    required?: string[];
    items?: JsonSchema;
    anyOf?: JsonSchema[];
    oneOf?: JsonSchema[];
  };
  if (typeof schema.$ref === "string") {
    const name = schema.$ref.split("/").at(-1) ?? "";
    return `<a href="#schema-${escaped(name)}">${escaped(name)}</a>`;
  }
  if ("const" in schema) return escaped(JSON.stringify(schema.const));
  if (Array.isArray(schema.enum))
    return schema.enum.map((value) => escaped(JSON.stringify(value))).join(" | ");
  const options = anyOf ?? oneOf;
  if (options) return [...new Set(options.map((option) => shapeOf(option, indent)))].join(" | ");
  if (items) {
    const item = shapeOf(items, indent);
    return item.includes(" | ") ? `(${item})[]` : `${item}[]`;
  }
  if (properties) {
    const required = (schema.required ?? []) as string[];
    const lines = Object.entries(properties).map(([name, property]) => {
      const rules = rulesOf(property).join(", ");
      const type = shapeOf(property, `${indent}  `);
      return `${indent}  ${escaped(name)}${required.includes(name) ? "" : "?"}: ${type}${
        rules === "" ? "" : `<i>  // ${escaped(rules)}</i>`
      }`;
    });
    return `{\n${lines.join("\n")}\n${indent}}`;
  }
  if (type === "object") return "{ [key: string]: any JSON }";
  return type === undefined ? "any JSON" : escaped([type].flat().join(" | "));
}

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? "");

/** A text with what stands in backticks as code. */
const prose = (text: string) => raw(escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>"));
