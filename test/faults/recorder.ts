import { closeSync, openSync, writeSync } from "node:fs";
import type { Entry, Instant, OperationEntry } from "../checker/history.ts";
import type { Observation } from "./tap.ts";

type Unstamped<T> = T extends { t: Instant } ? Omit<T, "t"> : T;

/** What is known of an operation when it is asked for. */
export type Invocation = Omit<OperationEntry, "kind" | "t" | "phase" | "operation" | "error" | "seq">;

/** An operation that has begun. Only its first end counts. */
export interface OpenOperation {
  ok(known?: { id?: number; seq?: number }): void;
  fail(error: string): void;
  info(error: string): void;
}

const BUFFER_CHARACTERS = 1024 * 1024;

/**
 * Writes the history of a run: one counter for everything that anybody here learns. Ids of the service are replaced by
 * short names, the same for the same id throughout the run.
 */
export class Recorder {
  readonly #file: number;
  readonly #names = new Map<string, string>();
  readonly #named = { u: 0, c: 0, e: 0 };
  readonly #lastSeen = new Map<string, string>();
  readonly #deleted = new Set<string>();
  readonly #removed = new Set<string>();
  #lines: string[] = [];
  #characters = 0;
  #t = 0;
  #operations = 0;
  #open = 0;

  /** @param path of the history; what stands there is replaced */
  constructor(path: string) {
    this.#file = openSync(path, "w");
  }

  /** Operations that have begun and not ended. */
  get open(): number {
    return this.#open;
  }

  /** A place in the order of everything, after all that was recorded. */
  instant(): Instant {
    this.#t += 1;
    return this.#t;
  }

  /** The short name of a user, a conversation or an epoch, made at the first sight of it. */
  name(kind: "u" | "c" | "e", id: string): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    this.#named[kind] += 1;
    const name = `${kind}${this.#named[kind]}`;
    this.#names.set(id, name);
    return name;
  }

  /** Writes an entry whose ids are names already. */
  write(entry: Unstamped<Entry>): Instant {
    const t = this.instant();
    const line = `${JSON.stringify(entry.kind === "run" ? entry : { ...entry, t })}\n`;
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#characters > BUFFER_CHARACTERS) this.flush();
    return t;
  }

  /** Begins an operation. Call it before anything of it leaves the client. */
  begin(invocation: Invocation): OpenOperation {
    this.#operations += 1;
    this.#open += 1;
    const { client, user, conversation, target, ...rest } = invocation;
    const fixed = {
      kind: "operation",
      operation: `o${this.#operations}`,
      op: rest.op,
      client,
      user: this.name("u", user),
      conversation: this.name("c", conversation),
      ...(rest.temp_id === undefined ? {} : { temp_id: rest.temp_id }),
      ...(rest.id === undefined ? {} : { id: rest.id }),
      ...(target === undefined ? {} : { target: this.name("u", target) }),
    } as const;
    this.write({
      ...fixed,
      phase: "invoke",
      ...(rest.hash === undefined ? {} : { hash: rest.hash }),
      ...(rest.title === undefined ? {} : { title: rest.title }),
    });
    let isOpen = true;
    const end = (phase: "ok" | "fail" | "info", more: Partial<OperationEntry>) => {
      if (!isOpen) return;
      isOpen = false;
      this.#open -= 1;
      this.write({ ...fixed, phase, ...more });
      if (phase === "ok" && rest.op === "delete") this.#deleted.add(`${fixed.conversation}/${rest.id}`);
      if (phase === "ok" && target !== undefined) this.#removed.add(`${fixed.conversation}/${fixed.target}`);
    };
    return {
      ok: (known = {}) => end("ok", known),
      fail: (error) => end("fail", { error }),
      info: (error) => end("info", { error }),
    };
  }

  /** Writes what a client was told. */
  observe(observation: Observation): void {
    const named = {
      ...observation,
      user: this.name("u", observation.user),
      conversation: this.name("c", observation.conversation),
    };
    switch (named.kind) {
      case "seen": {
        const entry = {
          ...named,
          sender: this.name("u", named.sender),
          epoch: named.epoch === null ? null : this.name("e", named.epoch),
        };
        if (!this.#isKnown(entry)) this.write(entry);
        break;
      }
      case "position":
        this.write({ ...named, reader: this.name("u", named.reader) });
        break;
      default:
        this.write(named);
    }
  }

  /** Writes to the file what is still in memory. */
  flush(): void {
    writeSync(this.#file, this.#lines.join(""));
    this.#lines = [];
    this.#characters = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }

  /**
   * Whether the same client has seen the same state before, and seeing it again proves nothing: it does once the message
   * was deleted, or the user removed.
   */
  #isKnown(seen: Extract<Observation, { kind: "seen" }>): boolean {
    const place = `${seen.conversation}/${seen.id}`;
    const key = `${seen.client}/${place}`;
    const state = `${seen.seq}/${seen.hash}/${seen.sender}/${seen.temp_id}/${seen.epoch}`;
    const isSame = this.#lastSeen.get(key) === state;
    this.#lastSeen.set(key, state);
    return isSame && !this.#deleted.has(place) && !this.#removed.has(`${seen.conversation}/${seen.user}`);
  }
}
