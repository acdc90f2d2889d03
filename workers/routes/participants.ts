import { Hono } from "hono";
import { addParticipants, changeRole, listParticipants, removeParticipant } from "../../db/participants.ts";
import type { Participant } from "../../protocol/entities.ts";
import { conversationNotFound } from "../../protocol/errors.ts";
import {
  addParticipants as addBody,
  conversationParams,
  participantParams,
  updateParticipant,
} from "../../protocol/rest.ts";
import type { AppContext, AppEnv } from "../context.ts";
import { conversationObject } from "../context.ts";
import { settleChange } from "../membership.ts";
import { RefusalError } from "../middleware/errors.ts";
import { validated } from "../middleware/validated.ts";

export const participantRoutes = new Hono<AppEnv>()
  .get("/:id/participants", validated("param", conversationParams), async (c) => {
    return c.json({ data: await participantsOf(c, c.req.valid("param").id), has_more: false });
  })
  .post(
    "/:id/participants",
    validated("param", conversationParams),
    validated("json", addBody),
    async (c) => {
      const { id } = c.req.valid("param");
      const { user_ids, role = "member" } = c.req.valid("json");
      const actorId = c.get("identity").userId;
      const userIds = [...new Set(user_ids)];
      await settleChange(c, await addParticipants(c.get("db"), { id, actorId, userIds, role }));
      return c.json({ data: await participantsOf(c, id), has_more: false }, 201);
    },
  )
  .patch(
    "/:id/participants/:user_id",
    validated("param", participantParams),
    validated("json", updateParticipant),
    async (c) => {
      const { id, user_id: userId } = c.req.valid("param");
      const { role } = c.req.valid("json");
      await settleChange(
        c,
        await changeRole(c.get("db"), { id, actorId: c.get("identity").userId, userId, role }),
      );
      const participant = (await participantsOf(c, id)).find(({ user_id }) => user_id === userId);
      if (!participant) throw new RefusalError(conversationNotFound().error);
      return c.json({ data: participant });
    },
  )
  .delete("/:id/participants/:user_id", validated("param", participantParams), async (c) => {
    const { id, user_id: userId } = c.req.valid("param");
    await settleChange(
      c,
      await removeParticipant(c.get("db"), { id, actorId: c.get("identity").userId, userId }),
    );
    return c.body(null, 204);
  });

/** Membership from Postgres, which owns it; who is online and how far they have read from the object. */
async function participantsOf(c: AppContext, id: string): Promise<Participant[]> {
  const { userId } = c.get("identity");
  const found = await listParticipants(c.get("db"), id, userId);
  if (!found) throw new RefusalError(conversationNotFound().error);
  const told = found.activated ? await conversationObject(c.env, id).participants(userId) : null;
  const live = new Map(told?.ok ? told.value.map((participant) => [participant.user_id, participant]) : []);
  return found.participants.map(({ visible_from_id: _, settings, ...participant }) => {
    const { invisible, read_receipts: isShown } = settings;
    const { online, last_read_id = 0, last_seen_at } = live.get(participant.user_id) ?? participant;
    const lastReadId = Math.max(participant.last_read_id, last_read_id);
    return {
      ...participant,
      online: online && !invisible,
      last_seen_at: last_seen_at ?? participant.last_seen_at,
      last_read_id: isShown || participant.user_id === userId ? lastReadId : 0,
    };
  });
}
