/** Web storage that may be switched off or full: reads give null then, and writes are lost. */
export function read(kind: "local" | "session", key: string): string | null {
  try {
    return area(kind).getItem(key);
  } catch {
    return null;
  }
}

/** Writes a value; null or an empty string removes it. */
export function write(kind: "local" | "session", key: string, value: string | null): void {
  try {
    if (value) area(kind).setItem(key, value);
    else area(kind).removeItem(key);
  } catch {
    // Nothing that is kept here is worth an error.
  }
}

const area = (kind: "local" | "session"): Storage => (kind === "local" ? localStorage : sessionStorage);
