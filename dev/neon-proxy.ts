import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import pg from "pg";
import { z } from "zod";

/** Neon's own limit of a request and a response. */
const BODY_LIMIT_BYTES = 64 * 1024 * 1024;

export interface NeonProxyOptions {
  /** The one database that is served. */
  databaseUrl: string;
  /** A free one by default. */
  port?: number;
}

export interface NeonProxy {
  /** What the driver's `fetchEndpoint` must be. */
  url: string;
  stop(): Promise<void>;
}

const statement = z.object({ query: z.string(), params: z.array(z.unknown()).default([]) });
const requestBody = z.union([z.object({ queries: z.array(statement) }), statement]);
type Statement = z.infer<typeof statement>;

const ISOLATION_LEVELS: Record<string, string> = {
  ReadUncommitted: "read uncommitted",
  ReadCommitted: "read committed",
  RepeatableRead: "repeatable read",
  Serializable: "serializable",
};

/**
 * Speaks Neon's SQL over HTTP in front of any Postgres, on 127.0.0.1, so that `@neondatabase/serverless`
 * and `drizzle-orm/neon-http` run unchanged against a local database.
 *
 * Like Neon, it answers an error of SQL with 400 and the fields of the error, and anything else (no
 * connection, a broken one) with another status, from which the driver takes only text. It serves requests whose
 * `Neon-Connection-String` names the same server, database, user and password as `databaseUrl`.
 */
export async function startNeonProxy({ databaseUrl, port = 0 }: NeonProxyOptions): Promise<NeonProxy> {
  const served = target(databaseUrl);
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 20,
    connectionTimeoutMillis: 10_000,
    allowExitOnIdle: true,
    // The driver parses values itself, from their text.
    types: { getTypeParser: () => (text: string | Buffer) => text },
  });
  // A connection that breaks while nobody uses it emits an error, which would end the process if unheard.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));

  const server = createServer(async (request, response) => {
    const { status, body } = await answer(request, pool, served).catch(toFailure);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
    // What was not read of a refused request must not be taken for the next one.
    if (!request.complete) response.once("finish", () => request.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  const listening = typeof address === "object" && address ? address.port : port;

  return {
    url: `http://127.0.0.1:${listening}/sql`,
    async stop() {
      server.close();
      server.closeAllConnections();
      await pool.end();
    },
  };
}

interface Answer {
  status: number;
  body: unknown;
}

/** Answered with its own status, not as an error of SQL. */
class RequestError extends Error {
  override name = "RequestError";
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function answer(request: IncomingMessage, pool: pg.Pool, served: string): Promise<Answer> {
  if (request.method !== "POST" || request.url !== "/sql")
    throw new RequestError(404, "only POST /sql is served");
  const { headers } = request;
  const connectionString = headers["neon-connection-string"];
  if (typeof connectionString !== "string" || !isTarget(connectionString, served)) {
    throw new RequestError(403, "Neon-Connection-String names another database than the one served here");
  }
  const parsed = requestBody.safeParse(parseJson(await readBody(request)));
  if (!parsed.success)
    throw new RequestError(400, "body must be {query, params} or {queries: [{query, params}]}");
  const input = parsed.data;

  const isArrayMode = headers["neon-array-mode"] === "true";
  if (!("queries" in input)) {
    return { status: 200, body: await withClient(pool, (client) => run(client, input, isArrayMode)) };
  }
  const begin = beginStatement(headers);
  const results = await withClient(pool, async (client) => {
    await client.query(begin);
    const done = [];
    for (const query of input.queries) done.push(await run(client, query, isArrayMode));
    await client.query("commit");
    return done;
  });
  return { status: 200, body: { results } };
}

function beginStatement(headers: IncomingHttpHeaders): string {
  const level = headers["neon-batch-isolation-level"];
  const parts = ["begin"];
  if (typeof level === "string") {
    const name = ISOLATION_LEVELS[level];
    if (!name) throw new RequestError(400, `unknown isolation level ${level}`);
    parts.push(`isolation level ${name}`);
  }
  if (headers["neon-batch-read-only"] === "true") parts.push("read only");
  if (headers["neon-batch-deferrable"] === "true") parts.push("deferrable");
  return parts.join(" ");
}

/**
 * Lends a connection that is in no transaction, and takes back for reuse only such a one: requests must
 * not see what others left behind.
 */
async function withClient<T>(pool: pg.Pool, use: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw new RequestError(503, `no connection to the database: ${messageOf(error)}`);
  });
  try {
    return await use(client);
  } finally {
    // Statements outside a transaction commit or fail as a whole; an open one ends with its connection.
    client.release(client.getTransactionStatus() !== "I" || leavesState.has(client));
  }
}

/** Connections on which something ran that may outlive its transaction, such as SET or a temporary table. */
const leavesState = new WeakSet<pg.PoolClient>();
const STATELESS = new Set(["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"]);

async function run(
  client: pg.PoolClient,
  { query, params }: Statement,
  isArrayMode: boolean,
): Promise<object> {
  const config = {
    text: query,
    values: params,
    rowMode: isArrayMode ? "array" : undefined,
    // Refuses several statements in one query, as Neon does.
    queryMode: "extended",
  };
  const { command, rowCount, rows, fields } = await client.query(config);
  if (!STATELESS.has(command)) leavesState.add(client);
  return { command, rowCount, rows, rowAsArray: isArrayMode, viaNeonFetch: true, fields };
}

function toFailure(error: unknown): Answer {
  if (error instanceof RequestError) return { status: error.status, body: { message: error.message } };
  if (error instanceof pg.DatabaseError) {
    const { message, severity, code, detail, hint, position, internalPosition, internalQuery, where } = error;
    const { schema, table, column, dataType, constraint, file, line, routine } = error;
    return {
      status: 400,
      body: {
        ...{ message, severity, code, detail, hint, position, internalPosition, internalQuery, where },
        ...{ schema, table, column, dataType, constraint, file, line, routine },
      },
    };
  }
  return { status: 503, body: { message: messageOf(error) } };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    sizeBytes += chunk.length;
    if (sizeBytes > BODY_LIMIT_BYTES)
      throw new RequestError(413, `body is larger than ${BODY_LIMIT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RequestError(400, "body is not JSON");
  }
}

/** What makes two connection strings the same, whatever their spelling and parameters. */
function target(connectionString: string): string {
  const url = new URL(connectionString);
  const isLoopback = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  return JSON.stringify([
    isLoopback ? "loopback" : url.hostname.toLowerCase(),
    url.port || "5432",
    decodeURIComponent(url.pathname.slice(1)),
    decodeURIComponent(url.username),
    decodeURIComponent(url.password),
  ]);
}

function isTarget(connectionString: string, served: string): boolean {
  try {
    return target(connectionString) === served;
  } catch {
    return false;
  }
}
