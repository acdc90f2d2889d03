import { and, eq, gt, type SQL, sql } from "drizzle-orm";
import {
  type Conversation,
  type ConversationType,
  DEFAULT_SETTINGS,
  type HistoryVisibility,
  type Message,
  type MessageBody,
  type Participant,
  type Profile,
  type Role,
  type SystemEvent,
} from "../protocol/entities.ts";
import { type Database, isoTime, isoTimeOrNull } from "./client.ts";
import type { UntoldChange } from "./outbox.ts";
import type { VersionedSettings } from "./presence.ts";
import { conversations, outbox, participants, presence, userSettings, users } from "./schema.ts";

/** A conversation in a list, as Postgres knows it. */
export interface ListedConversation {
  conversation: Conversation;
  /** Newest drained `seq`. */
  seq: number;
  /** Whether an object may hold newer state than Postgres. */
  activated: boolean;
}

/** Position in a list ordered by newest activity. */
export interface ListCursor {
  updatedAt: string;
  id: string;
}

/**
 * What the participant `p` of the conversation `c` has not read. Ids have no gaps, and nobody's own messages lie behind
 * their read position, because sending reads: so all that lies behind it is unread but what was deleted and what no
 * user wrote, which are few and have an index.
 */
const unreadCount = sql`(greatest(0, c.last_message_id - p.last_read_id)
                        - (select count(*) from messages u
                           where u.conversation_id = c.id and u.id > p.last_read_id
                             and (u.deleted_at is not null or u.type <> 'user')))`;

/** Aggregates of one conversation as JSON text, with `me` of the participant `p`. */
const summary = () => sql<string>`
    jsonb_build_object(
      'id', c.id, 'type', c.type, 'title', c.title, 'created_by', c.created_by, 'created_at', c.created_at,
      'updated_at', c.updated_at, 'activated', c.activated_at is not null, 'seq', c.seq, 'last_message_id', c.last_message_id,
      'last_message', (select to_jsonb(m) - 'created_seq' - 'search_text' - 'bigrams' from messages m
                       where m.conversation_id = c.id and m.id = c.last_message_id and m.id >= p.visible_from_id),
      'participant_count', (select count(*) from participants x where x.conversation_id = c.id),
      'history_visibility', c.history_visibility,
      'me', jsonb_build_object('role', p.role, 'last_read_id', p.last_read_id, 'muted_until', null,
        'unread_count', ${unreadCount}))::text`;

/** A cursor as callers are given it: the place after this conversation. */
export const toCursor = ({ updated_at, id }: Conversation): string => btoa(JSON.stringify([updated_at, id]));

/** One page of a user's conversations, newest activity first. */
export function listConversationsQuery(
  db: Database,
  { userId, limit, cursor }: { userId: string; limit: number; cursor?: ListCursor | undefined },
) {
  // The page is chosen before anything is aggregated, so that only its rows are.
  return db.execute<{ summary: string }>(sql`
    with page as materialized (
      select c.id, c.updated_at from participants p join conversations c on c.id = p.conversation_id
      where p.user_id = ${userId} and c.deleted_at is null
        ${cursor ? sql`and (c.updated_at, c.id) < (${cursor.updatedAt}::timestamptz, ${cursor.id}::uuid)` : sql``}
      order by c.updated_at desc, c.id desc limit ${limit})
    select ${summary()} as summary
    from page join conversations c on c.id = page.id
    join participants p on p.conversation_id = c.id and p.user_id = ${userId}
    order by page.updated_at desc, page.id desc`);
}

export async function listConversations(
  db: Database,
  options: Parameters<typeof listConversationsQuery>[1],
): Promise<ListedConversation[]> {
  return toListedConversations(await listConversationsQuery(db, options));
}

/** What {@link listConversationsQuery} found. */
export function toListedConversations({
  rows,
}: Awaited<ReturnType<typeof listConversationsQuery>>): ListedConversation[] {
  return rows.map((row) => toListed(row.summary));
}

export function getConversationQuery(db: Database, id: string, userId: string) {
  return db.execute<{ summary: string }>(sql`
    select ${summary()} as summary from conversations c
    join participants p on p.conversation_id = c.id and p.user_id = ${userId}
    where c.id = ${id}::uuid and c.deleted_at is null`);
}

/** The conversation as its participant sees it; null for anybody else, and when there is none. */
export async function getConversation(
  db: Database,
  id: string,
  userId: string,
): Promise<ListedConversation | null> {
  const { rows } = await getConversationQuery(db, id, userId);
  const row = rows[0];
  return row ? toListed(row.summary) : null;
}

/** How much of one conversation a user has not read. */
export interface Unread {
  id: string;
  unread_count: number;
  last_read_id: number;
  last_message_id: number;
  /** Newest drained `seq`. */
  seq: number;
  /** Whether an object holds it. */
  isActivated: boolean;
  /** Whether that may have newer messages: it was active a moment ago. */
  isActive: boolean;
}

/** Unread counts of all conversations of a user, newest activity first. */
export function listUnreadQuery(db: Database, userId: string) {
  return db.execute<{
    id: string;
    unread_count: string;
    last_read_id: string;
    last_message_id: string;
    seq: string;
    is_activated: boolean;
    is_active: boolean;
  }>(sql`
    select c.id, p.last_read_id, c.last_message_id, c.seq, ${unreadCount} as unread_count,
           c.activated_at is not null as is_activated,
           c.activated_at is not null and c.updated_at > now() - interval '1 minute' as is_active
    from participants p
    -- A row for each of the user's, whatever the statistics say: never a scan of everybody's.
    cross join lateral (
      select * from conversations where id = p.conversation_id and deleted_at is null offset 0) c
    where p.user_id = ${userId}
    order by c.updated_at desc, c.id desc`);
}

export async function listUnread(db: Database, userId: string): Promise<Unread[]> {
  return toUnread(await listUnreadQuery(db, userId));
}

/** What {@link listUnreadQuery} found. */
export function toUnread({ rows }: Awaited<ReturnType<typeof listUnreadQuery>>): Unread[] {
  return rows.map((row) => ({
    id: row.id,
    unread_count: Number(row.unread_count),
    last_read_id: Number(row.last_read_id),
    last_message_id: Number(row.last_message_id),
    seq: Number(row.seq),
    isActivated: row.is_activated,
    isActive: row.is_active,
  }));
}

export interface NewConversation {
  id: string;
  type: ConversationType;
  title: string | null;
  createdBy: string;
  historyVisibility: HistoryVisibility;
  /** Everybody but the creator. */
  participantIds: string[];
  /** Makes repeating this the same creation; null for none. */
  idempotency: { key: string; fingerprint: string } | null;
}

/** The key that makes a pair of users have one direct conversation. JSON keeps ids with any separator apart. */
const directKey = (a: string, b: string): string => JSON.stringify([a, b].sort());

/**
 * Creates a conversation with its participants in one statement. Of two that race for a pair or a key, the second waits
 * for the first, and finds what it made.
 *
 * @returns its id and whether it is new: a direct pair that already talks gets its conversation back, and so does who
 *          repeats a key; null when the key made something else before
 */
export async function createConversation(
  db: Database,
  input: NewConversation,
): Promise<{ id: string; isNew: boolean } | null> {
  const other = input.participantIds[0];
  const key = input.type === "direct" && other !== undefined ? directKey(input.createdBy, other) : null;
  const members = JSON.stringify([
    { user_id: input.createdBy, role: "admin" },
    // Both sides of a direct conversation are equals.
    ...input.participantIds.map((user_id) => ({
      user_id,
      role: input.type === "direct" ? "admin" : "member",
    })),
  ]);
  const { idempotency } = input;
  const isRepeat = sql`exists (
    select 1 from idempotency_keys where user_id = ${input.createdBy} and key = ${idempotency?.key ?? null}
      and conversation_id <> ${input.id}::uuid)`;
  const [, , known, found] = await db.batch([
    idempotency === null
      ? db.execute(sql`select 1`)
      : db.execute(sql`
          insert into idempotency_keys (user_id, key, fingerprint, conversation_id)
          values (${input.createdBy}, ${idempotency.key}, ${idempotency.fingerprint}, ${input.id}::uuid)
          on conflict (user_id, key) do nothing`),
    db.execute(sql`
      with c as (
        insert into conversations (id, type, title, created_by, direct_key, history_visibility)
        select ${input.id}::uuid, ${input.type}, ${input.title}, ${input.createdBy}, ${key}, ${input.historyVisibility}
        where not ${isRepeat}
        on conflict (direct_key) do nothing returning id),
      note as (insert into outbox (conversation_id, version) select id, 1 from c)
      insert into participants (conversation_id, user_id, role)
      select c.id, m.user_id, m.role from c, jsonb_to_recordset(${members}::jsonb) as m(user_id text, role text)`),
    db.execute<{ id: string; fingerprint: string }>(sql`
      select conversation_id as id, fingerprint from idempotency_keys
      where user_id = ${input.createdBy} and key = ${idempotency?.key ?? null}`),
    db.execute<{ id: string }>(
      key === null
        ? sql`select id from conversations where id = ${input.id}::uuid`
        : sql`select id from conversations where direct_key = ${key}`,
    ),
  ]);
  const before = known.rows[0];
  if (before && before.fingerprint !== idempotency?.fingerprint) return null;
  // A key that a direct pair's repeat took names an id that was never used: the pair says which conversation it is.
  const id = found.rows[0]?.id ?? before?.id;
  if (id === undefined) throw new Error("A conversation was neither created nor found.");
  return { id, isNew: id === input.id };
}

/** Forgets keys after a day. */
export function purgeIdempotencyKeys(db: Database) {
  return db.execute(sql`delete from idempotency_keys where created_at < now() - interval '1 day'`);
}

/** How an attempt to change a conversation or its participants ended. */
export type ChangeVerdict =
  | "done"
  | "unchanged"
  | "not_participant"
  | "forbidden"
  | "no_target"
  | "last_admin"
  | "full"
  | "direct";

export interface ChangeOutcome {
  verdict: ChangeVerdict;
  /** What there is to be told before the change may be answered; null for nobody who may hear of it. */
  untold: UntoldChange | null;
}

interface ConversationChange {
  id: string;
  actorId: string;
  /** Expression over `me` (the actor's role) giving a {@link ChangeVerdict}; outsiders never reach it. */
  verdict: SQL;
  /** A change of participants with RETURNING, to be run only where the verdict is `done`. */
  change?: SQL;
  /** Columns of the conversation itself to set along with its version. */
  set?: SQL;
  /** What the system message about the change says, as jsonb; without it, none is written. */
  says?: SQL;
}

/**
 * Runs one change of a conversation in a transaction of its own: locks the conversation, decides, changes,
 * raises the version and writes the outbox row. The lock is a statement before the decision, because a
 * statement only sees what was committed when it began.
 */
export async function changeConversation(
  db: Database,
  { id, actorId, verdict, change, set, says }: ConversationChange,
): Promise<ChangeOutcome> {
  // While no object holds the conversation, the message is written right here.
  const isHere = sql`(activated_at is null and ${says !== undefined})::int`;
  const [, result] = await db.batch([
    db.execute(sql`select 1 from conversations where id = ${id}::uuid for update`),
    db.execute<{ verdict: ChangeVerdict; version: string | null; activated: boolean }>(sql`
      with me as (
        select p.role from participants p join conversations c on c.id = p.conversation_id
        where p.conversation_id = ${id}::uuid and p.user_id = ${actorId} and c.deleted_at is null),
      verdict as (
        select case when not exists (select 1 from me) then 'not_participant' else ${verdict} end as v),
      change as (${change ?? sql`select 1`}),
      body as (select jsonb_build_object('data', ${says ?? sql`null::jsonb`}) as said where ${says !== undefined}),
      bump as (
        update conversations
        set version = version + 1, last_message_id = last_message_id + ${isHere}, seq = seq + ${isHere},
            updated_at = case when ${isHere} = 1 then now() else updated_at end${set ? sql`, ${set}` : sql``}
        where id = ${id}::uuid and exists (select 1 from verdict where v = 'done')
        returning version, activated_at, last_message_id, seq),
      said as (
        insert into messages (conversation_id, id, seq, created_seq, sender_id, type, body, created_at)
        select ${id}::uuid, last_message_id, seq, seq, ${actorId}, 'system', body.said, now()
        from bump, body where activated_at is null),
      note as (
        -- Without an actor the object writes no message about it: it was written right here.
        insert into outbox (conversation_id, version, actor_id, body)
        select ${id}::uuid, version, case when activated_at is not null then ${actorId} end, (select said from body)
        from bump returning version)
      select v.v as verdict, coalesce((select version from note), c.version)::text as version,
             c.activated_at is not null as activated
      from verdict v left join conversations c on c.id = ${id}::uuid`),
  ]);
  const row = result.rows[0];
  if (!row) throw new Error("A change of a conversation returned no verdict.");
  const untold = {
    conversationId: id,
    version: Number(row.version),
    isActivated: row.activated,
    removed: [],
  };
  return { verdict: row.verdict, untold: row.version === null ? null : untold };
}

/** A system message as the jsonb that a change says. */
export const says = (event: SystemEvent): SQL => sql`${JSON.stringify(event)}::jsonb`;

/** Whether the conversation is between two, who stay as they are. */
export const isDirect = (id: string) =>
  sql`(select type from conversations where id = ${id}::uuid) = 'direct'`;

/** Whether the actor of a change is an admin. */
export const isAdmin = sql`(select role from me) = 'admin'`;

/** Sets the title. Admins only. */
export function renameConversation(
  db: Database,
  { id, actorId, title }: { id: string; actorId: string; title: string | null },
) {
  return changeConversation(db, {
    id,
    actorId,
    verdict: sql`case
      when not (${isAdmin}) then 'forbidden'
      when ${isDirect(id)} then 'direct'
      when (select title from conversations where id = ${id}::uuid) is not distinct from ${title}::text then 'unchanged'
      else 'done' end`,
    set: sql`title = ${title}::text`,
    says: says({ event: "conversation_renamed", title }),
  });
}

/** Sets what later joiners see; whoever takes part sees what they saw. Admins only. */
export function changeHistoryVisibility(
  db: Database,
  { id, actorId, historyVisibility }: { id: string; actorId: string; historyVisibility: HistoryVisibility },
) {
  return changeConversation(db, {
    id,
    actorId,
    verdict: sql`case
      when not (${isAdmin}) then 'forbidden'
      when ${isDirect(id)} then 'direct'
      when (select history_visibility from conversations where id = ${id}::uuid) = ${historyVisibility} then 'unchanged'
      else 'done' end`,
    set: sql`history_visibility = ${historyVisibility}`,
  });
}

/** Marks the conversation deleted: nobody sees it from here on; its rows are erased in steps by the cron. Admins only. */
export function deleteConversation(db: Database, { id, actorId }: { id: string; actorId: string }) {
  return changeConversation(db, {
    id,
    actorId,
    verdict: sql`case when ${isAdmin} then 'done' else 'forbidden' end`,
    // The pair may start anew.
    set: sql`deleted_at = now(), direct_key = null`,
  });
}

/** What an object mirrors of its conversation. */
export interface ConversationSnapshot {
  id: string;
  type: ConversationType;
  title: string | null;
  history_visibility: HistoryVisibility;
  created_by: string;
  created_at: string;
  updated_at: string;
  version: number;
  last_message_id: number;
  seq: number;
  participants: SnapshotParticipant[];
  /** The system messages about the changes since the version that was asked for, oldest first. */
  said: Array<{ actor_id: string; body: MessageBody }>;
}

/** A participant as Postgres knows them. */
export type SnapshotParticipant = Pick<
  Participant,
  "user_id" | "role" | "joined_at" | "last_read_id" | "last_seen_at" | "user"
> & {
  settings: VersionedSettings;
  /** The first message they may see; null until the object, which knows the head, has settled it. */
  visible_from_id: number | null;
};

/**
 * What an object needs to know of its conversation, and the mark that an object now holds it. The mark comes
 * first, so that a change committed after it is told to the object and one committed before it is in the reply.
 *
 * @param sinceVersion the version the object has; null when it has nothing
 * @param forUser marks nothing unless they take part; null marks in any case
 * @returns null when there is no such conversation
 */
export async function loadSnapshot(
  db: Database,
  id: string,
  sinceVersion: number | null,
  forUser: string | null,
): Promise<ConversationSnapshot | null> {
  const [, found, members, changes] = await db.batch([
    db.execute(
      sql`update conversations set activated_at = now() where id = ${id}::uuid and activated_at is null and deleted_at is null
          and (${forUser}::text is null
               or exists (select 1 from participants p where p.conversation_id = ${id}::uuid and p.user_id = ${forUser}))`,
    ),
    db
      .select()
      .from(conversations)
      .where(and(eq(conversations.id, id), sql`${conversations.deletedAt} is null`)),
    participantsQuery(db, id),
    changesQuery(db, id, sinceVersion),
  ]);
  const row = found[0];
  if (!row) return null;
  return {
    id: row.id,
    type: row.type,
    title: row.title,
    history_visibility: row.historyVisibility,
    created_by: row.createdBy,
    created_at: isoTime(row.createdAt),
    updated_at: isoTime(row.updatedAt),
    version: row.version,
    last_message_id: row.lastMessageId,
    seq: row.seq,
    participants: members.map(toSnapshotParticipant),
    said: changes.flatMap(({ version, actorId, body }) =>
      // Committed between the two statements: it comes with the next version.
      version <= row.version && actorId !== null && body !== null ? [{ actor_id: actorId, body }] : [],
    ),
  };
}

/**
 * Changes after a version, oldest first. Rows are kept until the object has confirmed them, and a day longer. Without a
 * version, those that nobody confirmed: an object that died in its first load has written nothing about them.
 */
export function changesQuery(db: Database, id: string, sinceVersion: number | null) {
  return db
    .select({ version: outbox.version, actorId: outbox.actorId, body: outbox.body })
    .from(outbox)
    .where(
      and(
        eq(outbox.conversationId, id),
        sinceVersion === null ? eq(outbox.processed, false) : gt(outbox.version, sinceVersion),
      ),
    )
    .orderBy(outbox.version);
}

/** Participants with their profiles, in the order of joining. */
export function participantsQuery(db: Database, id: string) {
  return db
    .select({
      userId: participants.userId,
      role: participants.role,
      joinedAt: participants.joinedAt,
      lastReadId: participants.lastReadId,
      visibleFromId: participants.visibleFromId,
      name: users.name,
      avatarUrl: users.avatarUrl,
      lastSeenAt: presence.lastSeenAt,
      isOnline: sql<boolean>`coalesce(${presence.onlineUntil} > now(), false)`,
      invisible: userSettings.invisible,
      readReceipts: userSettings.readReceipts,
      settingsVersion: userSettings.version,
    })
    .from(participants)
    .leftJoin(users, eq(users.id, participants.userId))
    .leftJoin(presence, eq(presence.userId, participants.userId))
    .leftJoin(userSettings, eq(userSettings.userId, participants.userId))
    .where(eq(participants.conversationId, id))
    .orderBy(participants.joinedAt, participants.userId);
}

export function toSnapshotParticipant(row: {
  userId: string;
  role: Role;
  joinedAt: string;
  lastReadId: number;
  visibleFromId: number | null;
  name: string | null;
  avatarUrl: string | null;
  lastSeenAt: string | null;
  invisible: boolean | null;
  readReceipts: boolean | null;
  settingsVersion: number | null;
}): SnapshotParticipant {
  const user: Profile = { id: row.userId, name: row.name, avatar_url: row.avatarUrl };
  return {
    user_id: row.userId,
    role: row.role,
    joined_at: isoTime(row.joinedAt),
    last_read_id: row.lastReadId,
    visible_from_id: row.visibleFromId,
    last_seen_at: isoTimeOrNull(row.lastSeenAt),
    settings: {
      invisible: row.invisible ?? DEFAULT_SETTINGS.invisible,
      read_receipts: row.readReceipts ?? DEFAULT_SETTINGS.read_receipts,
      version: row.settingsVersion ?? 0,
    },
    user,
  };
}

/** Erases deleted conversations: messages in bounded steps, the conversation once it has none. */
export async function purgeDeleted(db: Database): Promise<void> {
  await db.batch([
    db.execute(sql`
      delete from messages where (conversation_id, id) in (
        select m.conversation_id, m.id from messages m join conversations c on c.id = m.conversation_id
        where c.deleted_at is not null limit 5000)`),
    db.execute(sql`
      delete from conversations c
      where c.deleted_at < now() - interval '1 day' and not exists (select 1 from messages m where m.conversation_id = c.id)`),
  ]);
}

function toListed(json: string): ListedConversation {
  const { activated, seq, ...row } = JSON.parse(json) as Conversation & { activated: boolean; seq: number };
  const time = (text: string): string => new Date(text).toISOString();
  const timeOrNull = (text: string | null): string | null => (text === null ? null : time(text));
  const last = row.last_message as Message | null;
  return {
    activated,
    seq,
    conversation: {
      ...row,
      created_at: time(row.created_at),
      updated_at: time(row.updated_at),
      last_message: last && {
        ...last,
        created_at: time(last.created_at),
        edited_at: timeOrNull(last.edited_at),
        deleted_at: timeOrNull(last.deleted_at),
      },
    },
  };
}
