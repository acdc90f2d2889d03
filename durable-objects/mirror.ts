import type { ConversationSnapshot, SnapshotParticipant } from "../db/conversations.ts";
import { UNDECIDED } from "../db/presence.ts";
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
  /** The version whose participants with an open inbox were all found and told. */
  introducedVersion: number;
  epoch: string;
  /** Seq of the newest change of the conversation itself. */
  seq: number;
  /** Head and seq of Postgres when the object's storage began. */
  baseHead: number;
  baseSeq: number;
  /** The log is complete from this message id on. */
  floor: number;
}

interface StoredPositions {
  told_seq: number;
  reads: Record<string, [id: number, undrained: 0 | 1]>;
}

/** What an earlier version stored of a participant lacks what has been added since. */
const OF_EARLIER_VERSIONS = {
  visible_from_id: 1,
  isUndrained: false,
  last_seen_at: null,
  settings: UNDECIDED,
};

/** Title and participants in the object's SQLite: a copy of Postgres at one version. */
export class Mirror {
  readonly #sql: Sql;
  readonly participants = new Map<string, MirroredParticipant>();
  state: MirrorState | null = null;
  /** Newest change that every open inbox was told of; as stored, at or before it. */
  toldSeq = 0;
  /** Read positions that are not in the participant's own row, and whether Postgres may lack them. */
  readonly #positions = new Map<string, [id: number, undrained: 0 | 1]>();
  #hasUnsavedPositions = false;
  /** Whose own row says that Postgres may lack something, and of those, what it has by now. */
  readonly #storedUndrained = new Set<string>();
  readonly #staleRows = new Set<string>();
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
    this.state = null;
    this.participants.clear();
    this.#undrained.clear();
    this.#storedUndrained.clear();
    this.#staleRows.clear();
    this.#positions.clear();
    this.#hasUnsavedPositions = false;
    const tables = this.#sql.exec("select 1 from sqlite_master where name = 'conversation'").toArray();
    if (tables.length === 0) return false;
    const row = this.#sql.exec<{ state: string }>("select state from conversation").toArray()[0];
    // What an earlier version stored lacks what has been added since.
    this.state = row
      ? { history_visibility: "beginning", introducedVersion: 0, ...JSON.parse(row.state) }
      : null;
    for (const { state } of this.#sql.exec<{ state: string }>("select state from participants").toArray()) {
      const participant = { ...OF_EARLIER_VERSIONS, ...JSON.parse(state) };
      this.#set(participant as MirroredParticipant);
      if (participant.isUndrained) this.#storedUndrained.add(participant.user_id);
    }
    this.#readPositions();
    return this.state !== null;
  }

  #readPositions(): void {
    const tables = this.#sql.exec("select 1 from sqlite_master where name = 'positions'").toArray();
    if (tables.length === 0) return;
    const row = this.#sql.exec<{ state: string }>("select state from positions").toArray()[0];
    if (!row) return;
    const { told_seq, reads } = JSON.parse(row.state) as StoredPositions;
    this.toldSeq = told_seq;
    for (const [userId, [id, undrained]] of Object.entries(reads)) {
      const participant = this.participants.get(userId);
      // Who came back since reads from a later position on.
      if (!participant || participant.last_read_id > id) continue;
      this.#positions.set(userId, [id, undrained]);
      const isUndrained = participant.isUndrained || undrained === 1;
      this.#set({ ...participant, last_read_id: id, isUndrained });
    }
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
    if (participant.isUndrained) this.#storedUndrained.add(participant.user_id);
    else this.#storedUndrained.delete(participant.user_id);
    this.#set(participant);
  }

  #set(participant: MirroredParticipant): void {
    this.participants.set(participant.user_id, participant);
    if (participant.isUndrained) this.#undrained.add(participant.user_id);
    else this.#undrained.delete(participant.user_id);
  }

  /**
   * Moves a read position forward, in memory: a row for each message or each reader would cost more than the message.
   *
   * @param isUndrained false where it follows from the log until the drain has passed that
   */
  readTo(userId: string, id: number, isUndrained: boolean): void {
    const participant = this.participants.get(userId);
    if (!participant || participant.last_read_id >= id) return;
    this.#set({ ...participant, last_read_id: id, isUndrained: participant.isUndrained || isUndrained });
    this.#keepPosition(userId);
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
      // Not worth a row at once: an instance that reads it undrained writes it to Postgres once more.
      if (this.#positions.has(userId)) this.#keepPosition(userId);
      if (this.#storedUndrained.has(userId)) this.#staleRows.add(userId);
    }
  }

  get hasUnsaved(): boolean {
    return this.#hasUnsavedPositions || this.#staleRows.size > 0;
  }

  /** Stores what is so far only in memory: all positions in one row. */
  saveUnsaved(): void {
    for (const userId of this.#staleRows) {
      const participant = this.participants.get(userId);
      if (participant) this.writeParticipant(participant);
    }
    this.#staleRows.clear();
    this.savePositions();
  }

  /** Stores how far everybody has read, and how much of it inboxes were told. */
  savePositions(): void {
    const stored: StoredPositions = { told_seq: this.toldSeq, reads: Object.fromEntries(this.#positions) };
    this.#sql.exec(
      "create table if not exists positions (only integer primary key check (only = 1), state text not null)",
    );
    this.#sql.exec("insert or replace into positions values (1, ?)", JSON.stringify(stored));
    this.#hasUnsavedPositions = false;
  }

  #keepPosition(userId: string): void {
    const participant = this.participants.get(userId);
    if (!participant) return;
    this.#positions.set(userId, [participant.last_read_id, participant.isUndrained ? 1 : 0]);
    this.#hasUnsavedPositions = true;
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
