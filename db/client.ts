import { neon, neonConfig } from "@neondatabase/serverless";
import { drizzle, type NeonHttpDatabase } from "drizzle-orm/neon-http";
import * as schema from "./schema.ts";

/** Postgres over Neon's HTTP endpoint: each call is one request, each `batch` one transaction. */
export type Database = NeonHttpDatabase<typeof schema>;

const REQUEST_TIMEOUT_MS = 15_000;

export interface DatabaseSettings {
  /** Connection string of the database. */
  url: string;
  /** Where Neon's HTTP protocol is spoken, when it is not derived from the host: the local proxy. */
  fetchEndpoint?: string | undefined;
}

const opened = new Map<string, Database>();

/**
 * Connects to nothing: the driver makes one HTTP request a query. Every object of an isolate is given the same one,
 * because making it takes as long as opening an object.
 */
export function openDatabase({ url, fetchEndpoint }: DatabaseSettings): Database {
  const key = `${url} ${fetchEndpoint}`;
  const known = opened.get(key);
  if (known) return known;
  if (fetchEndpoint !== undefined) neonConfig.fetchEndpoint = fetchEndpoint;
  neonConfig.fetchFunction = fetchWithin;
  const database = drizzle(neon(url), { schema });
  opened.set(key, database);
  return database;
}

/**
 * A bounded fetch: a Postgres that accepts and never answers would keep an object awake for ever. The timer
 * ends with the request, because a pending one (of `AbortSignal.timeout` too) keeps an object from hibernating.
 */
async function fetchWithin(url: string, init: RequestInit): Promise<Response> {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new Error("Postgres did not answer in time.")),
    REQUEST_TIMEOUT_MS,
  );
  try {
    const response = await fetch(url, { ...init, signal: controller.signal });
    // Read here, so that the bound covers the body.
    return new Response(await response.text(), { status: response.status, headers: response.headers });
  } finally {
    clearTimeout(timer);
  }
}

/** The SQLSTATE of a failed query or batch; undefined when Postgres did not answer at all. */
export function sqlState(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = (at as { code?: unknown }).code;
    if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code)) return code;
  }
  return undefined;
}

/** One line for a log: the innermost message, without the query and its parameters. */
export function describeError(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? `${at.name}: ${at.message}`.slice(0, 300) : "unknown error";
}

/** Postgres' text of a timestamptz as ISO 8601 in UTC with milliseconds. */
export function isoTime(text: string): string {
  return new Date(`${text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00")}`).toISOString();
}

export const isoTimeOrNull = (text: string | null): string | null => (text === null ? null : isoTime(text));
