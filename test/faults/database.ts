import pg from "pg";
import type { Row } from "../checker/history.ts";
import { POISON } from "./crowd.ts";
import { hashOf } from "./tap.ts";

/** What Postgres holds of a conversation, with the ids of the service. */
export interface PostgresDump {
  head: number;
  seq: number;
  newestMessageSeq: number;
  title: string | null;
  participants: Array<{ user: string; last_read_id: number }>;
  rows: Row[];
  poison: number[];
}

/** Runs one piece of work on a connection of its own. */
export async function withDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Makes PostgreSQL fail in two ways on demand: at COMMIT, by a deferred constraint that raises while a table says so,
 * and at any row with {@link POISON} in its text.
 */
export async function prepareFailures(url: string): Promise<void> {
  await withDatabase(url, (client) =>
    client.query(`
      create table failing_commits (sql_state text not null);
      create function fail_commit() returns trigger language plpgsql as $$
        declare state text;
        begin
          select sql_state into state from failing_commits limit 1;
          if state is not null then
            raise exception 'a commit that was made to fail' using errcode = state;
          end if;
          return null;
        end $$;
      create constraint trigger fail_commit after insert or update on conversations
        deferrable initially deferred for each row execute function fail_commit();
      alter table messages add constraint poison
        check (body is null or body ->> 'text' is null or position('${POISON}' in body ->> 'text') = 0)`),
  );
}

/** Every commit of a change of a conversation fails with this SQLSTATE from now on. */
export async function armCommit(url: string, sqlState: string): Promise<void> {
  await withDatabase(url, (client) => client.query("insert into failing_commits values ($1)", [sqlState]));
}

export async function disarmCommit(url: string): Promise<void> {
  await withDatabase(url, (client) => client.query("delete from failing_commits"));
}

/** Changes that an object has not been told of yet. */
export async function countUntold(url: string): Promise<number> {
  const { rows } = await withDatabase(url, (client) =>
    client.query("select count(*)::int as n from outbox where not processed"),
  );
  return rows[0].n;
}

/** How far Postgres is: head and newest change. */
export async function drainedTo(
  client: pg.Client,
  conversation: string,
): Promise<{ head: number; seq: number }> {
  const { rows } = await client.query(
    "select last_message_id::int as head, seq::int as seq from conversations where id = $1",
    [conversation],
  );
  return rows[0] ?? { head: 0, seq: 0 };
}

export async function dumpPostgres(url: string, conversation: string): Promise<PostgresDump> {
  return withDatabase(url, async (client) => {
    const read = async (text: string) => (await client.query(text, [conversation])).rows;
    const [about] = await read(
      "select title, last_message_id::int as head, seq::int as seq from conversations where id = $1",
    );
    const participants = await read(
      "select user_id as user, last_read_id::int as last_read_id from participants where conversation_id = $1",
    );
    const messages = await read(
      "select id::int, seq::int, sender_id as sender, temp_id, body from messages where conversation_id = $1 order by id",
    );
    // One that was deleted later is there after all, without what was refused.
    const poison = await read(
      `select distinct message_id::int as id from poison_messages p where conversation_id = $1 and not exists
         (select 1 from messages m where m.conversation_id = $1 and m.id = p.message_id) order by id`,
    );
    return {
      ...about,
      newestMessageSeq: Math.max(0, ...messages.map(({ seq }) => seq)),
      participants,
      rows: messages.map(({ body, ...row }) => ({ ...row, hash: body === null ? null : hashOf(body) })),
      poison: poison.map(({ id }) => id),
    };
  });
}
