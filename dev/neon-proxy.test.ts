import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { neon, neonConfig } from "@neondatabase/serverless";
import { sql as drizzleSql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/neon-http";
import { jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NeonProxy, startNeonProxy } from "./neon-proxy.ts";
import { type Postgres, startPostgres } from "./postgres.ts";

const notes = pgTable("notes", {
  id: text().primaryKey(),
  body: jsonb().$type<{ text: string }>(),
  at: timestamp({ withTimezone: true, precision: 3, mode: "string" }),
});

let dataDir: string;
let postgres: Postgres;
let proxy: NeonProxy;

const start = () => startPostgres({ dataDir, port: postgres?.port, settings: ["fsync=off"] });

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "neon-proxy-"));
  postgres = await start();
  proxy = await startNeonProxy({ databaseUrl: postgres.url });
  neonConfig.fetchEndpoint = proxy.url;
  await neon(postgres.url)`create table notes (id text primary key, body jsonb, at timestamptz(3))`;
}, 60_000);

afterAll(async () => {
  await proxy?.stop();
  await postgres?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

describe("one query", () => {
  test("values of all kinds come back as the driver parses them", async () => {
    const sql = neon(postgres.url);
    const [row] =
      await sql`select ${1}::int as i, ${"가"} as t, ${null}::text as n, true as b, 9007199254740993 as big,
      ${JSON.stringify({ a: [1] })}::jsonb as j, array[1, 2] as list, ${Buffer.from("hé")}::bytea as bytes,
      '2026-01-02T03:04:05.678Z'::timestamptz as at`;
    expect(row).toEqual({
      i: 1,
      t: "가",
      n: null,
      b: true,
      big: "9007199254740993",
      j: { a: [1] },
      list: [1, 2],
      bytes: expect.anything(),
      at: new Date("2026-01-02T03:04:05.678Z"),
    });
    expect(Buffer.from(row?.bytes).toString()).toBe("hé");
  });

  test("array mode and full results", async () => {
    const result = await neon(postgres.url, { arrayMode: true, fullResults: true })`select 1 as a, 'x' as b`;
    expect(result).toMatchObject({ command: "SELECT", rowCount: 1, rows: [[1, "x"]] });
    expect(result.fields.map((field) => [field.name, field.dataTypeID])).toEqual([
      ["a", 23],
      ["b", 25],
    ]);
  });

  test("an SQL error carries the fields of Postgres", async () => {
    const sql = neon(postgres.url);
    await sql`insert into notes (id) values ('taken')`;
    await expect(sql`insert into notes (id) values ('taken')`).rejects.toMatchObject({
      name: "NeonDbError",
      code: "23505",
      severity: "ERROR",
      detail: "Key (id)=(taken) already exists.",
      schema: "public",
      table: "notes",
      constraint: "notes_pkey",
    });
    await expect(sql`selec 1`).rejects.toMatchObject({ code: "42601", position: "1" });
  });

  test("several statements in one query are refused", async () => {
    await expect(neon(postgres.url).query("select 1; select 2")).rejects.toMatchObject({ code: "42601" });
  });

  test("settings and open transactions do not reach the next request", async () => {
    const sql = neon(postgres.url);
    await sql`set search_path to nowhere`;
    await sql`begin`;
    await sql`insert into notes (id) values ('after a begin')`;
    expect(await sql`select id from notes where id = 'after a begin'`).toHaveLength(1);
    expect(await sql`show search_path`).toEqual([{ search_path: '"$user", public' }]);
  });
});

describe("a batch", () => {
  test("is one transaction", async () => {
    const sql = neon(postgres.url);
    await expect(
      sql.transaction([
        sql`insert into notes (id) values ('batch 1')`,
        sql`insert into notes (id) values ('batch 1')`,
      ]),
    ).rejects.toMatchObject({ code: "23505" });
    expect(await sql`select id from notes where id = 'batch 1'`).toEqual([]);

    const [first, second] = await sql.transaction([
      sql`insert into notes (id) values ('batch 2') returning id`,
      sql`select pg_current_xact_id_if_assigned() is not null as same`,
    ]);
    expect(first).toEqual([{ id: "batch 2" }]);
    expect(second).toEqual([{ same: true }]);
  });

  test("honours isolation level, read only and deferrable", async () => {
    const sql = neon(postgres.url);
    const [isolation, readOnly, deferrable] = await sql.transaction(
      [sql`show transaction_isolation`, sql`show transaction_read_only`, sql`show transaction_deferrable`],
      { isolationLevel: "Serializable", readOnly: true, deferrable: true },
    );
    expect(isolation).toEqual([{ transaction_isolation: "serializable" }]);
    expect(readOnly).toEqual([{ transaction_read_only: "on" }]);
    expect(deferrable).toEqual([{ transaction_deferrable: "on" }]);
  });

  test("works through drizzle", async () => {
    const db = drizzle(neon(postgres.url));
    const at = "2026-01-02 03:04:05.678+00";
    const [inserted, found, counted] = await db.batch([
      db
        .insert(notes)
        .values({ id: "drizzle", body: { text: "안녕" }, at })
        .returning(),
      db.select().from(notes).where(drizzleSql`id = 'drizzle'`),
      db.execute(drizzleSql`select count(*)::int as count from notes where id = 'drizzle'`),
    ]);
    expect(inserted).toEqual([{ id: "drizzle", body: { text: "안녕" }, at }]);
    expect(found).toEqual(inserted);
    expect(counted.rows).toEqual([{ count: 1 }]);
    await expect(db.insert(notes).values({ id: "drizzle" })).rejects.toMatchObject({
      cause: { code: "23505" },
    });
  });
});

describe("the door", () => {
  test.each([
    ["host", (url: URL) => (url.hostname = "db.example.com")],
    ["port", (url: URL) => (url.port = "1")],
    ["database", (url: URL) => (url.pathname = "/postgres")],
    ["user", (url: URL) => (url.username = "postgres")],
    ["password", (url: URL) => (url.password = "guess")],
  ])("a connection string with another %s is refused", async (_, change) => {
    const url = new URL(postgres.url);
    change(url);
    await expect(neon(url.href)`select 1`).rejects.toThrow("HTTP status 403");
  });

  test("localhost is 127.0.0.1, and parameters do not matter", async () => {
    const url = new URL(postgres.url);
    url.hostname = "localhost";
    url.searchParams.set("sslmode", "require");
    expect(await neon(url.href)`select 1 as one`).toEqual([{ one: 1 }]);
  });

  test("what is not a query is refused", async () => {
    const post = (body: string) =>
      fetch(proxy.url, { method: "POST", headers: { "Neon-Connection-String": postgres.url }, body });
    expect((await post("{")).status).toBe(400);
    expect((await post("{}")).status).toBe(400);
    expect((await post(JSON.stringify("x".repeat(64 * 1024 * 1024)))).status).toBe(413);
    expect((await fetch(proxy.url)).status).toBe(404);
    expect(await neon(postgres.url)`select 1 as one`).toEqual([{ one: 1 }]);
  });
});

test("survives a crash and a restart of Postgres", async () => {
  const sql = neon(postgres.url);
  await Promise.all(Array.from({ length: 10 }, () => sql`select pg_sleep(0.05)`));
  const running = sql`select pg_sleep(30)`.catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await postgres.kill();
  expect(String(await running)).toMatch(/HTTP status 503/);
  // Connections that outlived the server by a moment may answer once more.
  await expect
    .poll(() => sql`select 1`.then(() => "an answer", String), { timeout: 30_000 })
    .toMatch(/HTTP status 503/);

  postgres = await start();
  const rows = await Promise.all(Array.from({ length: 10 }, () => sql`select 1 as one`));
  expect(rows.flat()).toEqual(Array.from({ length: 10 }, () => ({ one: 1 })));
  await sql`insert into notes (id) values ('after the crash')`;
}, 60_000);
