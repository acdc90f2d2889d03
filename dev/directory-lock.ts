import { createHash } from "node:crypto";
import { mkdir, realpath, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** Another living process holds the directory. */
export class DirectoryInUseError extends Error {
  override name = "DirectoryInUseError";
}

export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Makes this process the only user of a directory, which is created if missing.
 *
 * The lock is a listening socket, because the kernel closes it even on SIGKILL: a pid file would outlive
 * its process and could name another one. It stands in the temporary directory, since a path inside the
 * directory may be longer than the hundred bytes a socket path may have.
 *
 * @throws {DirectoryInUseError} when another process (or this one) holds it already
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  await mkdir(directory, { recursive: true });
  const key = `${userInfo().uid}\n${await realpath(directory)}`;
  const path = join(tmpdir(), `arcyou-${createHash("sha256").update(key).digest("hex").slice(0, 20)}.sock`);

  for (let attempt = 0; attempt < 3; attempt += 1) {
    const server = await listen(path);
    if (server) {
      return { release: () => new Promise((resolve) => server.close(() => resolve())) };
    }
    if (await answers(path)) break;
    await rm(path, { force: true });
  }
  throw new DirectoryInUseError(`${directory} is in use by another process.`);
}

function listen(path: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(null);
      else reject(error);
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
