import type { ConversationSnapshot, SnapshotParticipant } from "../db/conversations.ts";
import type { ConversationType } from "../protocol/entities.ts";
import type { Sql } from "./log.ts";

/** A participant as the object mirrors it. Removed ones stay, so that a resume can tell of the removal. */
export interface MirroredParticipant extends SnapshotParticipant {
  /** Seq of the newest change. */
  seq: number;
  /** Seq of the change that added them. */
  joinedSeq: number;
  removed: boolean;
}

/** What the object knows of its conversation besides messages. */
export interface MirrorState {
  id: string;
  type: ConversationType;
  title: string | null;
  created_by: string;
  created_at: string;
  updated_at: string;
  /** `conversations.version` in Postgres that this mirrors. */
  version: number;
  epoch: string;
  /** Seq of the newest change of the conversation itself. */
  seq: number;
  /** Head and seq of Postgres when the object's storage began. */
  baseHead: number;
  baseSeq: number;
  /** The log is complete from this message id on. */
  floor: number;
}

/** Title and participants in the object's SQLite: a copy of Postgres at one version. */
export class Mirror {
  readonly #sql: Sql;
  readonly participants = new Map<string, MirroredParticipant>();
  state: MirrorState | null = null;
  /** Whose read position is ahead of what is stored. */
  readonly #ahead = new Set<string>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  static createTables(sql: Sql): void {
    sql.exec(
      "create table if not exists conversation (only integer primary key check (only = 1), state text not null)",
    );
    sql.exec(
      "create table if not exists participants (user_id text primary key, state text not null) without rowid",
    );
  }

  /** Reads what an earlier instance stored. False on empty storage, where `state` stays null. */
  read(): boolean {
    const tables = this.#sql.exec("select 1 from sqlite_master where name = 'conversation'").toArray();
    if (tables.length === 0) return false;
    const row = this.#sql.exec<{ state: string }>("select state from conversation").toArray()[0];
    this.state = row ? JSON.parse(row.state) : null;
    this.participants.clear();
    for (const { state } of this.#sql.exec<{ state: string }>("select state from participants").toArray()) {
      const participant: MirroredParticipant = JSON.parse(state);
      this.participants.set(participant.user_id, participant);
    }
    return this.state !== null;
  }

  writeState(state: MirrorState): void {
    this.#sql.exec("insert or replace into conversation values (1, ?)", JSON.stringify(state));
    this.state = state;
  }

  writeParticipant(participant: MirroredParticipant): void {
    this.#sql.exec(
      "insert or replace into participants values (?, ?)",
      participant.user_id,
      JSON.stringify(participant),
    );
    this.participants.set(participant.user_id, participant);
  }

  /**
   * Moves a read position forward, in memory: it follows from the log until the drain has passed it, and
   * {@link saveReads} stores it then. A row for each message would cost more than the message.
   */
  readTo(userId: string, id: number): void {
    const participant = this.participants.get(userId);
    if (!participant || participant.last_read_id >= id) return;
    this.participants.set(userId, { ...participant, last_read_id: id });
    this.#ahead.add(userId);
  }

  /** Stores the read positions that moved. */
  saveReads(): void {
    for (const userId of this.#ahead) {
      const participant = this.participants.get(userId);
      if (participant) this.writeParticipant(participant);
    }
    this.#ahead.clear();
  }

  /** The participant, unless removed. */
  member(userId: string): MirroredParticipant | null {
    const participant = this.participants.get(userId);
    return participant && !participant.removed ? participant : null;
  }

  members(): MirroredParticipant[] {
    return [...this.participants.values()].filter((participant) => !participant.removed);
  }

  newestSeq(): number {
    let newest = this.state?.seq ?? 0;
    for (const participant of this.participants.values()) newest = Math.max(newest, participant.seq);
    return newest;
  }
}

/** One difference between a mirror and a newer snapshot. */
export type MirrorChange =
  | { type: "title"; title: string | null }
  | { type: "added"; participant: SnapshotParticipant }
  | { type: "updated"; participant: SnapshotParticipant }
  | { type: "removed"; userId: string };

/** What changed from the mirror to the snapshot: removals first, so that nobody removed sees what else changed. */
export function diffSnapshot(mirror: Mirror, snapshot: ConversationSnapshot): MirrorChange[] {
  const changes: MirrorChange[] = [];
  const present = new Map(snapshot.participants.map(({ user_id, joined_at }) => [user_id, joined_at]));
  for (const { user_id: userId } of mirror.members()) {
    // A new joined_at means removed and added again between two versions: the removal was promised, too.
    if (present.get(userId) !== mirror.member(userId)?.joined_at) changes.push({ type: "removed", userId });
  }
  if (mirror.state && mirror.state.title !== snapshot.title)
    changes.push({ type: "title", title: snapshot.title });
  for (const participant of snapshot.participants) {
    const known = mirror.member(participant.user_id);
    if (!known || known.joined_at !== participant.joined_at) changes.push({ type: "added", participant });
    else if (known.role !== participant.role) changes.push({ type: "updated", participant });
  }
  return changes;
}
