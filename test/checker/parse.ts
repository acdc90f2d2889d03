import type { Entry } from "./history.ts";

type Kind =
  | "string"
  | "number"
  | "boolean"
  | "string?"
  | "number?"
  | "rows"
  | "ranges"
  | "strings"
  | "numbers"
  | "people"
  | "standing?";

/** What each kind of entry must have, besides `kind`. */
const FIELDS: Record<Entry["kind"], Record<string, Kind>> = {
  run: { run: "string", layer: "string", commit: "string", seed: "number", faults: "strings" },
  operation: {
    t: "number",
    phase: "string",
    operation: "string",
    op: "string",
    client: "string",
    user: "string",
    conversation: "string",
  },
  seen: {
    t: "number",
    at: "string",
    asked: "number?",
    via: "string",
    client: "string",
    user: "string",
    conversation: "string",
    epoch: "string?",
    id: "number",
    seq: "number",
    sender: "string",
    temp_id: "string?",
    hash: "string?",
  },
  shown: { t: "number", client: "string", user: "string", conversation: "string", ranges: "ranges" },
  announced: { t: "number", client: "string", user: "string", conversation: "string", id: "number" },
  kept: {
    t: "number",
    client: "string",
    user: "string",
    conversation: "string",
    temp_id: "string",
    kept: "boolean",
  },
  position: {
    t: "number",
    at: "string",
    asked: "number?",
    client: "string",
    user: "string",
    conversation: "string",
    reader: "string",
    last_read_id: "number",
    head: "number?",
  },
  count: {
    t: "number",
    asked: "number?",
    client: "string",
    user: "string",
    conversation: "string",
    via: "string",
    head: "number",
    seq: "number?",
    last_read_id: "number",
    unread: "number",
  },
  fault: { t: "number", phase: "string", fault: "string", name: "string" },
  crash: { t: "number" },
  quiet: { t: "number", reached: "boolean", waited_ms: "number", limit_ms: "number" },
  log: {
    t: "number",
    conversation: "string",
    epoch: "string",
    head: "number",
    seq: "number",
    floor: "number",
    rows: "rows",
  },
  postgres: {
    t: "number",
    conversation: "string",
    head: "number",
    seq: "number",
    title: "string?",
    participants: "people",
    rows: "rows",
    poison: "numbers",
  },
  held: {
    t: "number",
    client: "string",
    user: "string",
    conversation: "string",
    live: "boolean",
    unsettled: "number",
    seq: "number",
    last_message_id: "number",
    title: "string?",
    participants: "strings",
    rows: "rows",
  },
  fresh: {
    t: "number",
    user: "string",
    conversation: "string",
    found: "boolean",
    last_message_id: "number",
    title: "string?",
    participants: "strings",
    rows: "rows",
  },
  listed: {
    t: "number",
    user: "string",
    conversation: "string",
    shown: "standing?",
    own: "standing?",
    total: "number",
  },
};

/** Further fields that an operation must have. */
const OPERATION_FIELDS: Record<string, Record<string, Kind>> = {
  "send invoke": { temp_id: "string", hash: "string" },
  "edit invoke": { id: "number", hash: "string" },
  "delete invoke": { id: "number" },
  "read invoke": { id: "number" },
  "add invoke": { target: "string" },
  "remove invoke": { target: "string" },
  "rename invoke": { title: "string?" },
  "send ok": { id: "number" },
};

const WORDS: Record<string, Record<string, readonly string[]>> = {
  run: { layer: ["simulation", "real"] },
  operation: {
    phase: ["invoke", "ok", "fail", "info"],
    op: ["send", "edit", "delete", "read", "add", "remove", "rename", "end"],
  },
  seen: { at: ["server", "client"], via: ["live", "replay", "rest", "search", "inbox", "push"] },
  position: { at: ["server", "client"] },
  count: { via: ["ready", "rest", "inbox"] },
  fault: { phase: ["fired", "healed"] },
};

const ROW: Record<string, Kind> = {
  id: "number",
  seq: "number",
  sender: "string",
  temp_id: "string?",
  hash: "string?",
};

const STANDING: Record<string, Kind> = { head: "number", last_read_id: "number", unread: "number" };

/** A line that is no entry of a history. */
export class MalformedLine extends Error {
  override name = "MalformedLine";
}

/**
 * A line as an entry.
 *
 * @param place of the line, for the error
 * @throws MalformedLine when a field is missing or of another type than history.ts says
 */
export function parseEntry(line: string, place: string): Entry {
  const fail = (message: string): never => {
    throw new MalformedLine(`${place}: ${message}`);
  };
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch (error) {
    return fail(`This is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(entry)) return fail("This is not an object.");
  const kind = String(entry.kind);
  const fields = Object.hasOwn(FIELDS, kind)
    ? FIELDS[kind as Entry["kind"]]
    : fail(`There is no kind "${kind}".`);
  const more = kind === "operation" ? (OPERATION_FIELDS[`${entry.op} ${entry.phase}`] ?? {}) : {};
  for (const missing of [...wrongFields(entry, fields), ...wrongFields(entry, more)])
    fail(`A "${kind}" has no right "${missing}": ${JSON.stringify(entry[missing])}`);
  for (const [name, words] of Object.entries(WORDS[kind] ?? {}))
    if (!words.includes(String(entry[name])))
      fail(`A "${kind}" has the unknown "${name}" ${JSON.stringify(entry[name])}.`);
  return entry as unknown as Entry;
}

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function wrongFields(object: Fields, fields: Record<string, Kind>): string[] {
  const wrong: string[] = [];
  for (const name in fields) {
    const kind = fields[name];
    if (kind !== undefined && !isOf(kind, object[name])) wrong.push(name);
  }
  return wrong;
}

function isOf(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case "string":
    case "boolean":
      return typeof value === kind;
    case "number":
      return Number.isFinite(value);
    case "string?":
      return value === null || typeof value === "string";
    case "number?":
      return value === null || Number.isFinite(value);
    case "strings":
      return isListOf(value, (item) => typeof item === "string");
    case "numbers":
      return isListOf(value, Number.isFinite);
    case "ranges":
      return isListOf(value, (item) => isListOf(item, Number.isFinite) && (item as unknown[]).length === 2);
    case "rows":
      return isListOf(value, (item) => isObject(item) && wrongFields(item, ROW).length === 0);
    case "standing?":
      return value === null || (isObject(value) && wrongFields(value, STANDING).length === 0);
    case "people":
      return isListOf(
        value,
        (item) => isObject(item) && typeof item.user === "string" && Number.isFinite(item.last_read_id),
      );
  }
}

const isListOf = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);
