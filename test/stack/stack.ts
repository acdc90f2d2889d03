/** A running service that can be killed and started again: all of it, or workerd alone. */
export interface Stack {
  readonly port: number;
  readonly url: string;
  /** Resolves when it answers. */
  start(): Promise<void>;
  /** Ends every process of it at once, as a power cut would. */
  kill(): Promise<void>;
  /** Ends it for good and removes its data. */
  stop(): Promise<void>;
  /** Connection string of its database. */
  databaseUrl(): Promise<string>;
  /** Where, at any depth, the SQLite files of its objects are. */
  readonly objectsDirectory: string;
}

/** Runs the cron, which nothing but a harness calls when it should. @throws when it failed */
export async function runCron(stack: Stack): Promise<void> {
  const response = await fetch(`${stack.url}/cdn-cgi/handler/scheduled`, {
    signal: AbortSignal.timeout(20_000),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`The cron failed with ${response.status}.`);
}
