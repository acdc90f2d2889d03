import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate as runMigrations } from "drizzle-orm/node-postgres/migrator";
import pg from "pg";

/** Any number, the same for all who migrate this service's databases. */
const LOCK_KEY = 4_611_723_019;

/**
 * Brings a database to the newest schema. Several may run at once: they take turns, and all but the first find
 * nothing to do. On Neon give the direct address, since a pooler loses session locks.
 *
 * @throws what the failing statement threw; the migration it belongs to is rolled back
 */
export async function migrate(
  databaseUrl: string,
  migrationsFolder = fileURLToPath(new URL("../migrations", import.meta.url)),
): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 30_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    // Held until the connection ends.
    await client.query("select pg_advisory_lock($1)", [LOCK_KEY]);
    await runMigrations(drizzle(client), { migrationsFolder });
  } finally {
    await client.end().catch(() => {});
  }
}

if (import.meta.main) {
  const databaseUrl = process.env.DATABASE_URL;
  if (!databaseUrl) {
    console.error("DATABASE_URL is missing: the direct connection string of the database to migrate.");
    process.exit(1);
  }
  await migrate(databaseUrl).then(
    () => console.log("Migrations ✓"),
    (error: unknown) => {
      const cause = error instanceof Error ? error.message : String(error);
      console.error(`Not migrated, check DATABASE_URL: ${cause}`);
      process.exitCode = 1;
    },
  );
}
