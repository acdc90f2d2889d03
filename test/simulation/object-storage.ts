import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Sql } from "../../durable-objects/log.ts";

type Write = { query: string; bindings: SQLInputValue[] } | { alarm: number | null } | { erase: true };

const WRITES = /^\s*(insert|update|delete|create)/;

/**
 * Storage of one object as the platform keeps it: SQLite whose writes are durable some time after they were made.
 * Writes with no wait in between become durable together or not at all.
 */
export class ObjectStorage {
  #db = open();
  #statements = new Map<string, StatementSync>();
  /** Everything that was written, as groups that are durable together. */
  readonly #groups: Write[][] = [];
  #durable = 0;
  #isGroupOpen = false;
  #alarm: number | null = null;
  readonly #onWrite: () => void;

  /** @param onWrite called when there is something new to be made durable */
  constructor(onWrite: () => void) {
    this.#onWrite = onWrite;
  }

  readonly sql: Sql = {
    exec: <Row>(query: string, ...bindings: unknown[]) => {
      const inputs = bindings as SQLInputValue[];
      if (WRITES.test(query)) this.#write({ query, bindings: inputs });
      const rows = this.#statement(query).all(...inputs) as Row[];
      return { toArray: () => rows, [Symbol.iterator]: () => rows[Symbol.iterator]() };
    },
  };

  get alarm(): number | null {
    return this.#alarm;
  }

  setAlarm(timeMs: number | null): void {
    this.#write({ alarm: timeMs });
    this.#alarm = timeMs;
  }

  /** The alarm goes off: it is no longer set, but only {@link finishAlarm} makes that durable. */
  takeAlarm(): number | null {
    const due = this.#alarm;
    this.#alarm = null;
    return due;
  }

  /** The alarm has done its work. */
  finishAlarm(due: number | null): void {
    if (due !== null && this.#alarm === null) this.setAlarm(null);
  }

  transaction<T>(work: () => T): T {
    const { length } = this.#group();
    this.#db.exec("savepoint work");
    try {
      const result = work();
      this.#db.exec("release work");
      return result;
    } catch (error) {
      this.#db.exec("rollback to work; release work");
      this.#group().length = length;
      throw error;
    }
  }

  erase(): void {
    this.#write({ erase: true });
    this.#reopen();
    this.#alarm = null;
  }

  /** How much has been written; what was said now may be heard once {@link durable} has come this far. */
  get written(): number {
    return this.#groups.length;
  }

  get durable(): number {
    return this.#durable;
  }

  /** Makes everything durable that was written up to a place. */
  flush(written: number): void {
    this.#durable = Math.max(this.#durable, written);
  }

  /** Whoever writes died on the way: nothing of the unfinished group ever becomes durable. @returns if there was one */
  forgetTurn(): boolean {
    if (this.#isGroupOpen) this.#groups.at(-1)?.splice(0);
    return this.#isGroupOpen;
  }

  /**
   * Storage after a crash: everything durable, and of the rest as much as `luck` (0 to 1) says. Less than 0 takes
   * what was durable, which no honest platform does.
   */
  recover(luck: number): void {
    const lost = this.#groups.length - this.#durable;
    this.#keep(Math.max(0, this.#durable + Math.floor(luck * (lost + 1))));
  }

  /** All of it is gone, as if the object had been made anew elsewhere. */
  lose(): void {
    this.#keep(0);
  }

  #keep(groups: number): void {
    this.#groups.length = Math.min(groups, this.#groups.length);
    this.#durable = this.#groups.length;
    this.#isGroupOpen = false;
    this.#alarm = null;
    this.#reopen();
    for (const write of this.#groups.flat()) {
      if ("query" in write) this.#statement(write.query).all(...write.bindings);
      else if ("alarm" in write) this.#alarm = write.alarm;
      else {
        this.#alarm = null;
        this.#reopen();
      }
    }
  }

  #write(write: Write): void {
    this.#group().push(write);
  }

  #group(): Write[] {
    if (!this.#isGroupOpen) {
      this.#isGroupOpen = true;
      this.#groups.push([]);
      queueMicrotask(() => {
        this.#isGroupOpen = false;
      });
      this.#onWrite();
    }
    return this.#groups.at(-1) ?? [];
  }

  #reopen(): void {
    this.#statements.clear();
    this.#db.close();
    this.#db = open();
  }

  close(): void {
    this.#db.close();
  }

  #statement(query: string): StatementSync {
    let statement = this.#statements.get(query);
    if (!statement) {
      statement = this.#db.prepare(query);
      this.#statements.set(query, statement);
    }
    return statement;
  }
}

function open(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  db.exec("pragma journal_mode = off; pragma synchronous = off");
  return db;
}
