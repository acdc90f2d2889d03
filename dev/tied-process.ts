import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

export interface TiedProcessOptions {
  /** Sent when this process has vanished without stopping the child; SIGKILL to the group follows after 5 s. */
  orphanSignal: "INT" | "TERM" | "KILL";
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
}

export interface TiedProcess {
  stdout: Readable;
  stderr: Readable;
  /** Resolves with the exit code once it has ended, its files and ports free, and what was left of its group was killed. */
  exited: Promise<number>;
  /** Sends a signal; after `graceMs` SIGKILL to the whole process group. Resolves once it ended. */
  stop(signal: "INT" | "TERM", graceMs?: number): Promise<void>;
  /** SIGKILL, at once; to what is left of its process group when it has ended. */
  kill(): void;
}

/**
 * Watches for the end of its stdin, which comes however this process ends, SIGKILL included: neither Node nor
 * macOS offers a signal on the death of the parent. Being the parent of the command, the shell keeps
 * its pid from being reused. A line on stdin is the name of a signal to pass on.
 */
const KEEPER = `
exec 3<&0
orphan_signal=$1
shift
"$@" 3<&- </dev/null &
child=$!
{
  while read -r signal <&3; do kill -s "$signal" "$child" 2>/dev/null; done
  kill -s "$orphan_signal" "$child" 2>/dev/null
  tries=0
  while [ "$tries" -lt 50 ] && kill -0 "$child" 2>/dev/null; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL -- "-$$"
} >/dev/null 2>&1 &
exec 3<&-
wait "$child" 2>/dev/null
`;

/**
 * Starts a command in a process group of its own that does not outlive this process. A Ctrl-C in the
 * terminal does not reach it: the caller stops things in their order.
 */
export function spawnTied(command: string, args: string[], options: TiedProcessOptions): TiedProcess {
  const { orphanSignal, ...spawnOptions } = options;
  const keeper: ChildProcessByStdio<Writable, Readable, Readable> = spawn(
    "/bin/sh",
    ["-c", KEEPER, "keeper", orphanSignal, command, ...args],
    { ...spawnOptions, detached: true, stdio: ["pipe", "pipe", "pipe"] },
  );
  // The pipe breaks when the keeper ends first.
  keeper.stdin.on("error", () => {});

  const killGroup = () => {
    if (keeper.pid === undefined) return;
    try {
      process.kill(-keeper.pid, "SIGKILL");
    } catch {
      // Nobody of the group is left.
    }
  };
  const exited = new Promise<number>((resolve, reject) => {
    keeper.once("error", reject);
    keeper.once("exit", (code) => {
      killGroup();
      resolve(code ?? -1);
    });
  });
  exited.catch(() => {});

  return {
    stdout: keeper.stdout,
    stderr: keeper.stderr,
    exited,
    async stop(signal, graceMs = 10_000) {
      if (keeper.exitCode !== null || keeper.signalCode !== null) return;
      keeper.stdin.write(`${signal}\n`);
      const timer = setTimeout(killGroup, graceMs);
      await once(keeper, "exit");
      clearTimeout(timer);
    },
    // The keeper outlives it, and ends when it has been reaped: a large process holds its port for a while after SIGKILL.
    kill: () => void keeper.stdin.write("KILL\n"),
  };
}
