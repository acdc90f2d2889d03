import type { ErrorDetail } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/**
 * What no schema can express about a caller's JSON, checked once at the door: nesting beyond
 * `LIMITS.jsonDepth`, NUL characters and lone surrogates (SQLite keeps them, Postgres text cannot),
 * and keys named `__proto__`.
 *
 * @returns the first problem, or null when the value may be stored
 */
export function findUncleanJson(value: unknown, path = "", depth = 0): ErrorDetail | null {
  if (typeof value === "string") return uncleanString(value, path);
  if (typeof value !== "object" || value === null) return null;
  if (depth >= LIMITS.jsonDepth) return { path, message: `is nested deeper than ${LIMITS.jsonDepth} levels` };
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const problem = findUncleanJson(item, join(path, String(index)), depth + 1);
      if (problem) return problem;
    }
    return null;
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") return { path, message: "has a key named __proto__" };
    const problem =
      uncleanString(key, path) ??
      findUncleanJson((value as Record<string, unknown>)[key], join(path, key), depth + 1);
    if (problem) return problem;
  }
  return null;
}

/** Whether Postgres text can hold the string. */
export function isCleanText(text: string): boolean {
  return !text.includes("\u0000") && text.isWellFormed();
}

function uncleanString(text: string, path: string): ErrorDetail | null {
  if (text.includes("\u0000")) return { path, message: "contains a NUL character" };
  if (!text.isWellFormed()) return { path, message: "contains a lone surrogate" };
  return null;
}

const join = (path: string, key: string): string => (path === "" ? key : `${path}.${key}`);
