import { execFile } from "node:child_process";
import { basename } from "node:path";
import { promisify } from "node:util";
import { spawnTied } from "../dev/tied-process.ts";

/** A server of the bench in a Node process of its own. */
export interface NodeServer {
  url: URL;
  kill(): Promise<void>;
}

/**
 * Starts `file` with its settings as JSON in its only argument, and waits for the line with its port.
 *
 * @throws {Error} with what it printed, when it ends instead
 */
export async function startNodeServer(
  file: string,
  settings: Record<string, string | number | boolean>,
): Promise<NodeServer> {
  const server = spawnTied(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", file, JSON.stringify(settings)],
    { orphanSignal: "KILL", env: { PATH: process.env.PATH, NODE_ENV: "production" } },
  );
  let output = "";
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output = (output + chunk).slice(-4_000);
      const listening = /^listening (\d+)$/m.exec(output)?.[1];
      if (listening !== undefined) resolve(Number(listening));
    };
    server.stdout.on("data", read);
    server.stderr.on("data", (chunk: Buffer) => {
      read(chunk);
      process.stderr.write(chunk);
    });
    void server.exited.then(() => reject(new Error(`${basename(file)} did not start:\n${output}`)));
  });
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    async kill() {
      server.kill();
      await server.exited;
    },
  };
}

/** Memory, in bytes, of the processes of `program` that have `argument` on their command line. */
export async function residentBytes(program: string, argument: string): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-ww", "-o", "rss=,args="], {
    maxBuffer: 64 * 1024 * 1024,
  });
  let bytes = 0;
  for (const line of stdout.split("\n")) {
    const [, kibibytes, command] = /^\s*(\d+)\s+(\S+)/.exec(line) ?? [];
    if (kibibytes === undefined || command === undefined) continue;
    if (basename(command) === program && line.includes(argument)) bytes += Number(kibibytes) * 1024;
  }
  if (bytes === 0) throw new Error(`No process of ${program} has ${argument} on its command line.`);
  return bytes;
}
