import { eq, inArray, sql } from "drizzle-orm";
import { DEFAULT_SETTINGS, type UserSettings } from "../protocol/entities.ts";
import type { Database } from "./client.ts";
import { presence, userSettings } from "./schema.ts";

/** Settings as objects are told of them: a higher version is newer. */
export interface VersionedSettings extends UserSettings {
  version: number;
}

/** Settings after somebody decided. */
export interface DecidedSettings {
  settings: VersionedSettings;
  /** Whether every object that may be loaded knows them. */
  isTold: boolean;
}

/** Somebody whose inbox is open, and how long that may be believed. */
export interface OnlineUser {
  userId: string;
  untilMs: number;
}

/**
 * Says that a user's inbox is open. Committed before the inbox reads which conversations there are, so that whoever
 * makes one the inbox does not find sees that it must be told.
 */
export function saveOnline(db: Database, userId: string, untilMs: number) {
  const onlineUntil = new Date(untilMs).toISOString();
  return db
    .insert(presence)
    .values({ userId, onlineUntil })
    .onConflictDoUpdate({ target: presence.userId, set: { onlineUntil } });
}

/** Says that a user's inbox is closed. @param lastSeenMs null leaves what is there, as does whoever hides from others */
export function saveOffline(db: Database, userId: string, lastSeenMs: number | null) {
  const lastSeenAt = lastSeenMs === null ? null : new Date(lastSeenMs).toISOString();
  const isHidden = sql`exists (select 1 from ${userSettings} where user_id = ${userId} and invisible)`;
  return db
    .update(presence)
    .set({
      onlineUntil: null,
      lastSeenAt: sql`case when ${isHidden} then ${presence.lastSeenAt}
                           else coalesce(${lastSeenAt}::timestamptz, ${presence.lastSeenAt}) end`,
    })
    .where(eq(presence.userId, userId));
}

export function onlineAmongQuery(db: Database, userIds: readonly string[]) {
  return db.execute<{ user_id: string; until: string }>(sql`
    select user_id, extract(epoch from online_until) * 1000 as until from presence
    where user_id in (select jsonb_array_elements_text(${JSON.stringify(userIds)}::jsonb)) and online_until > now()`);
}

/** Those of the users whose inbox is open. */
export async function onlineAmong(db: Database, userIds: readonly string[]): Promise<OnlineUser[]> {
  const { rows } = await onlineAmongQuery(db, userIds);
  return rows.map(({ user_id, until }) => ({ userId: user_id, untilMs: Math.floor(Number(until)) }));
}

/** Participants of a conversation whose inbox is open. Nothing is asked of the conversation's object. */
export async function onlineParticipants(db: Database, conversationId: string): Promise<string[]> {
  const { rows } = await db.execute<{ user_id: string }>(sql`
    select p.user_id from participants p join presence s on s.user_id = p.user_id
    where p.conversation_id = ${conversationId}::uuid and s.online_until > now()`);
  return rows.map(({ user_id }) => user_id);
}

/** Settings of whoever decided nothing. */
export const UNDECIDED: VersionedSettings = { ...DEFAULT_SETTINGS, version: 0 };

export function readSettingsQuery(db: Database, userId: string) {
  return db.select().from(userSettings).where(eq(userSettings.userId, userId));
}

export async function readSettings(db: Database, userId: string): Promise<VersionedSettings> {
  return toSettings(await readSettingsQuery(db, userId));
}

/** What {@link readSettingsQuery} found. */
export function toSettings([row]: Awaited<ReturnType<typeof readSettingsQuery>>): VersionedSettings {
  if (!row) return UNDECIDED;
  return { invisible: row.invisible, read_receipts: row.readReceipts, version: row.version };
}

/**
 * Changes what is named, and gives back all. Whoever hides from others is last seen at that moment. Objects are to be
 * told unless they were; then {@link markSettingsTold}.
 */
export async function saveSettings(
  db: Database,
  userId: string,
  changes: { invisible?: boolean | undefined; read_receipts?: boolean | undefined },
): Promise<DecidedSettings> {
  const { invisible = null, read_receipts: readReceipts = null } = changes;
  const changed = sql`(s.invisible, s.read_receipts) is distinct from
    (coalesce(${invisible}::boolean, s.invisible), coalesce(${readReceipts}::boolean, s.read_receipts))`;
  const [, { rows }] = await db.batch([
    db.execute(sql`
      update presence set last_seen_at = now()
      where user_id = ${userId} and online_until > now() and ${invisible === true}
        and not exists (select 1 from user_settings where user_id = ${userId} and invisible)`),
    db.execute<SettingsRow & { told_version: string | number }>(sql`
      insert into user_settings as s (user_id, invisible, read_receipts, version)
      values (${userId}, coalesce(${invisible}::boolean, ${DEFAULT_SETTINGS.invisible}),
              coalesce(${readReceipts}::boolean, ${DEFAULT_SETTINGS.read_receipts}), 1)
      on conflict (user_id) do update
        set invisible = coalesce(${invisible}::boolean, s.invisible),
            read_receipts = coalesce(${readReceipts}::boolean, s.read_receipts),
            version = s.version + (${changed})::integer, updated_at = now()
      returning user_id, invisible, read_receipts, version, told_version`),
  ]);
  const [row] = rows;
  if (!row) throw new Error("Settings were neither made nor changed.");
  return { settings: toVersionedSettings(row), isTold: Number(row.told_version) >= Number(row.version) };
}

/** Every object that was to be told knows this version. */
export function markSettingsTold(db: Database, userId: string, version: number) {
  return db.execute(sql`
    update user_settings set told_version = ${version} where user_id = ${userId} and told_version < ${version}`);
}

/** Changes that a Worker could not tell to the end, oldest first. */
export async function untoldSettings(
  db: Database,
  { olderThanSeconds, limit }: { olderThanSeconds: number; limit: number },
): Promise<Array<{ userId: string; settings: VersionedSettings }>> {
  const { rows } = await db.execute<SettingsRow>(sql`
    select user_id, invisible, read_receipts, version from user_settings
    where version > told_version and updated_at < now() - make_interval(secs => ${olderThanSeconds})
    order by updated_at limit ${limit}`);
  return rows.map((row) => ({ userId: row.user_id, settings: toVersionedSettings(row) }));
}

/** An attempt to tell failed; moved to the end of the queue so that it cannot hold up the others. */
export function markSettingsUntellable(db: Database, userIds: string[]) {
  return db.update(userSettings).set({ updatedAt: sql`now()` }).where(inArray(userSettings.userId, userIds));
}

/** A row of `user_settings`; the driver gives a bigint as text. */
type SettingsRow = { user_id: string; invisible: boolean; read_receipts: boolean; version: string | number };

const toVersionedSettings = ({ invisible, read_receipts, version }: SettingsRow): VersionedSettings => ({
  invisible,
  read_receipts,
  version: Number(version),
});
