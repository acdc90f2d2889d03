import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Row } from "../checker/history.ts";
import { hashOf } from "./tap.ts";

/** What an object has stored of its conversation, with the ids of the service. */
export interface ObjectLog {
  conversation: string;
  epoch: string;
  head: number;
  /** Of the newest change of a message. */
  seq: number;
  floor: number;
  rows: Row[];
}

/**
 * Reads the logs of objects from the files that workerd left. Only when no workerd runs: it works on copies, so that what
 * is not yet in the main file is left for workerd itself to take up.
 *
 * @param directory where the files are, at any depth
 * @param isWanted which conversations to read
 */
export async function readObjectLogs(
  directory: string,
  isWanted: (conversation: string) => boolean,
): Promise<ObjectLog[]> {
  const copies = await mkdtemp(join(tmpdir(), "arcyou-objects-"));
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter(({ name }) => /^[0-9a-f]{64}\.sqlite$/.test(name));
    const logs: ObjectLog[] = [];
    for (const { name, parentPath } of files) {
      const copy = join(copies, name);
      await copyFile(join(parentPath, name), copy);
      await copyFile(join(parentPath, `${name}-wal`), `${copy}-wal`).catch(() => undefined);
      const log = readLog(copy, isWanted);
      if (log) logs.push(log);
    }
    return logs;
  } finally {
    await rm(copies, { recursive: true, force: true });
  }
}

interface StoredState {
  id: string;
  epoch: string;
  floor: number;
  baseHead: number;
}

function readLog(file: string, isWanted: (conversation: string) => boolean): ObjectLog | null {
  const database = new DatabaseSync(file);
  try {
    const table = database.prepare("select 1 from sqlite_master where name = 'conversation'").get();
    const row = table && database.prepare("select state from conversation").get();
    if (!row) return null;
    const { id, epoch, floor, baseHead }: StoredState = JSON.parse(String(row.state));
    if (!isWanted(id)) return null;
    const rows = database
      .prepare("select id, seq, sender_id, temp_id, body from messages order by id")
      .all()
      .map(({ id, seq, sender_id, temp_id, body }) => ({
        id: Number(id),
        seq: Number(seq),
        sender: String(sender_id),
        temp_id: temp_id === null || temp_id === undefined ? null : String(temp_id),
        hash: body === null || body === undefined ? null : hashOf(JSON.parse(String(body))),
      }));
    return {
      conversation: id,
      epoch,
      head: Math.max(baseHead, rows.at(-1)?.id ?? 0),
      seq: Math.max(0, ...rows.map(({ seq }) => seq)),
      floor,
      rows,
    };
  } finally {
    database.close();
  }
}
