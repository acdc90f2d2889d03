import { type CredentialMarks, KEPT_DAYS, type Revocation } from "../db/revocations.ts";
import type { Sql } from "./log.ts";

const KEPT_MS = KEPT_DAYS * 24 * 60 * 60 * 1000;

/**
 * The revocations that one conversation was told of. The Worker looks into Postgres, which may be away; a socket that
 * was closed for good must not come back then.
 */
export class Revocations {
  readonly #sql: Sql;
  #known: Revocation[] | null = null;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  static createTable(sql: Sql): void {
    sql.exec(
      "create table if not exists revocations (user_id text, jti text, before_ms integer, primary key (user_id, jti)) without rowid",
    );
  }

  add({ userId, jti, beforeMs }: Revocation, nowMs: number): void {
    Revocations.createTable(this.#sql);
    this.#sql.exec("delete from revocations where before_ms < ?", nowMs - KEPT_MS);
    // Told out of order, the later one counts.
    this.#sql.exec(
      `insert into revocations values (?, ?, ?)
       on conflict do update set before_ms = max(before_ms, excluded.before_ms)`,
      userId,
      jti ?? "",
      beforeMs,
    );
    this.#known = null;
  }

  /** Whether the credential was ended. One that does not say when it was made counts as old. */
  covers({ userId, jti, issuedAtMs }: CredentialMarks): boolean {
    this.#known ??= this.#read();
    return this.#known.some(
      (revocation) =>
        revocation.userId === userId &&
        (revocation.jti === null ? (issuedAtMs ?? 0) <= revocation.beforeMs : revocation.jti === jti),
    );
  }

  #read(): Revocation[] {
    const table = "select 1 from sqlite_master where name = 'revocations'";
    if (this.#sql.exec(table).toArray().length === 0) return [];
    return this.#sql
      .exec<{ user_id: string; jti: string; before_ms: number }>("select * from revocations")
      .toArray()
      .map(({ user_id, jti, before_ms }) => ({
        userId: user_id,
        jti: jti === "" ? null : jti,
        beforeMs: before_ms,
      }));
  }
}
