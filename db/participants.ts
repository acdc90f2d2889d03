import { and, eq, isNull, sql } from "drizzle-orm";
import type { Role } from "../protocol/entities.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Database } from "./client.ts";
import {
  type ChangeOutcome,
  changeConversation,
  isAdmin,
  isDirect,
  participantsQuery,
  type SnapshotParticipant,
  says,
  toSnapshotParticipant,
} from "./conversations.ts";
import { conversations } from "./schema.ts";

interface Change {
  id: string;
  actorId: string;
}

const isDone = sql`exists (select 1 from verdict where v = 'done')`;
const roleOf = (id: string, userId: string) =>
  sql`(select role from participants where conversation_id = ${id}::uuid and user_id = ${userId})`;
/** True when `userId` is the only admin and somebody else remains. */
const isLastAdmin = (id: string, userId: string) => sql`(
  ${roleOf(id, userId)} = 'admin'
  and exists (select 1 from participants where conversation_id = ${id}::uuid and user_id <> ${userId})
  and not exists (select 1 from participants where conversation_id = ${id}::uuid and user_id <> ${userId} and role = 'admin'))`;

/** A participant with what Postgres knows of their being there. */
export type ListedParticipant = SnapshotParticipant & { online: boolean };

/** Everybody in the conversation; null when `userId` does not take part, or there is no such conversation. */
export async function listParticipants(
  db: Database,
  id: string,
  userId: string,
): Promise<{ participants: ListedParticipant[]; activated: boolean } | null> {
  const [found, members] = await db.batch([
    db
      .select({ activatedAt: conversations.activatedAt })
      .from(conversations)
      .where(and(eq(conversations.id, id), isNull(conversations.deletedAt))),
    participantsQuery(db, id),
  ]);
  const participants = members.map((row) => ({ ...toSnapshotParticipant(row), online: row.isOnline }));
  if (!found[0] || !participants.some(({ user_id }) => user_id === userId)) return null;
  return { participants, activated: found[0].activatedAt !== null };
}

/**
 * Adds users, who have read what Postgres has then; those who already take part keep their role. Admins only.
 */
export function addParticipants(
  db: Database,
  { id, actorId, userIds, role }: Change & { userIds: string[]; role: Role },
): Promise<ChangeOutcome> {
  const added = sql`select u.user_id from jsonb_array_elements_text(${JSON.stringify(userIds)}::jsonb) as u(user_id)
    where not exists (select 1 from participants p where p.conversation_id = ${id}::uuid and p.user_id = u.user_id)`;
  return changeConversation(db, {
    id,
    actorId,
    verdict: sql`case
      when not (${isAdmin}) then 'forbidden'
      when ${isDirect(id)} then 'direct'
      when not exists (${added}) then 'unchanged'
      when (select count(*) from participants where conversation_id = ${id}::uuid) + (select count(*) from (${added}) a)
        > ${LIMITS.participants} then 'full'
      else 'done' end`,
    change: sql`
      insert into participants (conversation_id, user_id, role, last_read_id, visible_from_id)
      select ${id}::uuid, a.user_id, ${role}, c.last_message_id,
             case when c.history_visibility = 'beginning' then 1
                  when c.activated_at is null then c.last_message_id + 1 end
      from (${added}) a join conversations c on c.id = ${id}::uuid where ${isDone} returning 1`,
    says: sql`jsonb_build_object('event', 'participants_added',
      'user_ids', (select jsonb_agg(a.user_id) from (${added}) a))`,
  });
}

/** Changes a role. Admins only; the last admin keeps theirs while others remain. */
export function changeRole(
  db: Database,
  { id, actorId, userId, role }: Change & { userId: string; role: Role },
): Promise<ChangeOutcome> {
  return changeConversation(db, {
    id,
    actorId,
    verdict: sql`case
      when not (${isAdmin}) then 'forbidden'
      when ${isDirect(id)} then 'direct'
      when ${roleOf(id, userId)} is null then 'no_target'
      when ${roleOf(id, userId)} = ${role} then 'unchanged'
      when ${role} <> 'admin' and ${isLastAdmin(id, userId)} then 'last_admin'
      else 'done' end`,
    change: sql`
      update participants set role = ${role}
      where conversation_id = ${id}::uuid and user_id = ${userId} and ${isDone} returning 1`,
  });
}

/** Removes a participant: oneself, or as an admin anybody. The last admin stays while others remain. */
export async function removeParticipant(
  db: Database,
  { id, actorId, userId }: Change & { userId: string },
): Promise<ChangeOutcome> {
  const outcome = await changeConversation(db, {
    id,
    actorId,
    verdict: sql`case
      when ${userId} <> ${actorId} and not (${isAdmin}) then 'forbidden'
      when ${isDirect(id)} then 'direct'
      when ${roleOf(id, userId)} is null then 'no_target'
      when ${isLastAdmin(id, userId)} then 'last_admin'
      else 'done' end`,
    change: sql`
      delete from participants where conversation_id = ${id}::uuid and user_id = ${userId} and ${isDone} returning 1`,
    // Nobody could ever see again what the last one leaves behind.
    set: sql`deleted_at = case when exists (
      select 1 from participants where conversation_id = ${id}::uuid and user_id <> ${userId})
      then deleted_at else now() end`,
    says: says({
      event: userId === actorId ? "participant_left" : "participant_removed",
      user_id: userId,
    }),
  });
  // Also when there was nobody to remove: an earlier attempt may have removed them and told nobody.
  return { ...outcome, untold: outcome.untold && { ...outcome.untold, removed: [userId] } };
}
