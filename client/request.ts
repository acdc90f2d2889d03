import type { Environment } from "./environment.ts";
import { ChatError, networkError, toError } from "./errors.ts";
import { Timer } from "./timer.ts";

/** Asks the REST API: a path behind `/api/`, and JSON. */
export type Request = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<unknown>;

/** One page of a list. */
export interface Page<T> {
  data: T[];
  /** Whether there is more in the direction asked. */
  has_more: boolean;
  /** For `cursor`, where the list has cursors. */
  next_cursor?: string | null;
}

/** Makes REST calls with the user's token; one that is refused is replaced once. They reject with {@link ChatError}. */
export function makeRequest(env: Environment): Request {
  const { fetch, httpUrl, requestTimeoutMs, tokens } = env;
  return async (method, path, body, headers) => {
    const abort = new AbortController();
    const timeout = new Timer(env, () => abort.abort());
    timeout.start(requestTimeoutMs);
    try {
      for (let isAgain = false; ; isAgain = true) {
        const token = await tokens.get();
        const response = await fetch(`${httpUrl}/api/${path}`, {
          method,
          headers: {
            authorization: `Bearer ${token}`,
            ...(body === undefined ? {} : { "content-type": "application/json" }),
            ...headers,
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: abort.signal,
        });
        const text = await response.text();
        const reply = parse(text);
        if (response.ok && (text === "" || reply !== undefined)) return reply;
        if (response.status === 401) tokens.refuse(token);
        if (response.status !== 401 || isAgain) throw toError(response.status, reply);
      }
    } catch (error) {
      throw error instanceof ChatError ? error : networkError("The service could not be reached.", error);
    } finally {
      timeout.stop();
    }
  };
}

/** A path with what it asks for, as far as it is given. */
export function withQuery(path: string, query: Record<string, string | number | undefined>): string {
  const given = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)]],
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** The path of a conversation, or of what is below it. */
export const conversationPath = (id: string): string => `conversations/${encodeURIComponent(id)}`;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
