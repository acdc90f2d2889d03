import type { ConversationSnapshot, SnapshotParticipant } from "../db/conversations.ts";
import type { ConversationType, HistoryVisibility } from "../protocol/entities.ts";
import type { Sql } from "./log.ts";

/** A participant as the object mirrors it. Removed ones stay, so that a resume can tell of the removal. */
export interface MirroredParticipant extends SnapshotParticipant {
  visible_from_id: number;
  /** Seq of the newest change. */
  seq: number;
  /** Seq of the change that added them. */
  joinedSeq: number;
  removed: boolean;
  /** Whether Postgres may not have `last_read_id` or `visible_from_id` yet. */
  isUndrained: boolean;
}

/** What the object knows of its conversation besides messages. */
export interface MirrorState {
  id: string;
  type: ConversationType;
  title: string | null;
  history_visibility: HistoryVisibility;
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
  /** Who is not stored as they are. */
  readonly #unsaved = new Set<string>();
  /** Whose positions Postgres may not have. */
  readonly #undrained = new Set<string>();

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
    // What an earlier version stored lacks what has been added since.
    this.state = row ? { history_visibility: "beginning", ...JSON.parse(row.state) } : null;
    this.participants.clear();
    for (const { state } of this.#sql.exec<{ state: string }>("select state from participants").toArray()) {
      const participant = { visible_from_id: 1, isUndrained: false, ...JSON.parse(state) };
      this.#set(participant as MirroredParticipant);
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
    this.#set(participant);
  }

  #set(participant: MirroredParticipant): void {
    this.participants.set(participant.user_id, participant);
    if (participant.isUndrained) this.#undrained.add(participant.user_id);
    else this.#undrained.delete(participant.user_id);
  }

  /**
   * Moves a read position forward, in memory: it follows from the log until the drain has passed it, and
   * {@link saveUnsaved} stores it then. A row for each message would cost more than the message.
   */
  readTo(userId: string, id: number): void {
    const participant = this.participants.get(userId);
    if (!participant || participant.last_read_id >= id) return;
    this.#set({ ...participant, last_read_id: id });
    this.#unsaved.add(userId);
  }

  /** Those whose positions Postgres may not have, `limit` of them. */
  undrained(limit: number): MirroredParticipant[] {
    const users = [...this.#undrained].slice(0, limit);
    return users.flatMap((userId) => this.participants.get(userId) ?? []);
  }

  /** Postgres has these as they are; who changed meanwhile stays undrained. */
  markDrained(participants: readonly MirroredParticipant[]): void {
    for (const participant of participants) {
      const { user_id: userId } = participant;
      if (this.participants.get(userId) !== participant) continue;
      this.#set({ ...participant, isUndrained: false });
      // Not worth a row of its own: an instance that reads it undrained writes it to Postgres once more.
      this.#unsaved.add(userId);
    }
  }

  get hasUnsaved(): boolean {
    return this.#unsaved.size > 0;
  }

  /** Stores what is so far only in memory. */
  saveUnsaved(): void {
    for (const userId of this.#unsaved) {
      const participant = this.participants.get(userId);
      if (participant) this.writeParticipant(participant);
    }
    this.#unsaved.clear();
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
  /** Title or setting. */
  | { type: "conversation" }
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
  const { state } = mirror;
  if (state && (state.title !== snapshot.title || state.history_visibility !== snapshot.history_visibility))
    changes.push({ type: "conversation" });
  for (const participant of snapshot.participants) {
    const known = mirror.member(participant.user_id);
    if (!known || known.joined_at !== participant.joined_at) changes.push({ type: "added", participant });
    else if (known.role !== participant.role) changes.push({ type: "updated", participant });
  }
  return changes;
}
