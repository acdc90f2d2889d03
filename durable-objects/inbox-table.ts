import { UNDECIDED, type VersionedSettings } from "../db/presence.ts";
import type { Sql } from "./log.ts";

/** What an inbox keeps for good. */
export interface StoredInbox {
  /** Whether conversations were told that it is open. */
  isOpen: boolean;
  /** Number of the time online that it speaks of: each is higher than the one before. */
  turn: number;
  /** How long conversations believe that it is open. */
  untilMs: number;
  /** Whether some of them could not be asked, or not yet. */
  isPartial: boolean;
  /**
   * When the last socket closed; null while one is open, or when nobody noticed. Of an inbox that is not open: somebody
   * still has to be told.
   */
  leftAtMs: number | null;
  settings: VersionedSettings;
  /** The conversations, and of these, which no object holds; a closed inbox still has to be closed for these. */
  followed: readonly string[];
  dormant: readonly string[];
  /** Number of the list: it is another for other conversations. */
  list: number;
}

/** An inbox that nobody needs to be told of any more, or that nobody ever opened. */
export const CLOSED: StoredInbox = {
  isOpen: false,
  turn: 0,
  untilMs: 0,
  isPartial: false,
  leftAtMs: null,
  settings: UNDECIDED,
  followed: [],
  dormant: [],
  list: 0,
};

/** An inbox in its object's SQLite: one row, so that whatever changes costs one. */
export class InboxTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  read(): StoredInbox {
    const tables = this.#sql.exec("select 1 from sqlite_master where name = 'inbox'").toArray();
    if (tables.length === 0) return CLOSED;
    const row = this.#sql.exec<{ state: string }>("select state from inbox").toArray()[0];
    return row ? { ...CLOSED, ...JSON.parse(row.state) } : CLOSED;
  }

  write(inbox: StoredInbox): void {
    this.#sql.exec(
      "create table if not exists inbox (only integer primary key check (only = 1), state text not null)",
    );
    this.#sql.exec("insert or replace into inbox values (1, ?)", JSON.stringify(inbox));
  }
}
