import { type Conversation, isEnded, leftAfter, okAt, possibleFrom } from "./facts.ts";
import type { Instant, Row } from "./history.ts";
import type { RuleFactory } from "./rule.ts";

/**
 * **I14 deletes.** After a deletion was acknowledged no channel carries a body of that message: none that left the
 * service after it, was asked for after it, or was itself asked for after it. No later dump of the log holds one, and
 * in the end neither does Postgres, nor a client that is live, nor what is read anew.
 *
 * Sound because a deletion is the last change of a message.
 */
export const deletes: RuleFactory = (report) => {
  const checkRows = (conversation: Conversation, rows: readonly Row[], where: string, t?: Instant): void => {
    for (const { id, hash } of rows) {
      if (hash === null || !(deletedAt(conversation, id) < (t ?? Number.POSITIVE_INFINITY))) continue;
      const message = `${conversation.name}: ${id} was deleted, and ${where} holds what it said.`;
      report({ invariant: "I14", message, ...(t === undefined ? {} : { t }) });
    }
  };

  return {
    seen(entry, conversation) {
      const { id, hash, via, client, t } = entry;
      if (hash === null || !conversation.changes.has(id)) return;
      if (deletedAt(conversation, id) < leftAfter(entry, possibleFrom(conversation, entry)))
        report({
          invariant: "I14",
          message: `${conversation.name}: ${id} was deleted, and ${client} got what it said (${via}).`,
          t,
        });
    },

    log({ rows, t }, conversation) {
      if (conversation.changes.size > 0) checkRows(conversation, rows, "the log", t);
    },

    end(conversation) {
      const { postgres, held, fresh } = conversation;
      if (isEnded(conversation) || conversation.changes.size === 0) return;
      if (postgres) checkRows(conversation, postgres.rows, "Postgres");
      for (const { live, client, rows } of held) if (live) checkRows(conversation, rows, client);
      for (const { user, rows } of fresh) checkRows(conversation, rows, `a page of ${user}'s`);
    },
  };
};

/** When a deletion of it was first acknowledged; Infinity if none was. */
function deletedAt({ changes }: Conversation, id: number): Instant {
  let first = Number.POSITIVE_INFINITY;
  for (const change of changes.get(id) ?? [])
    if (change.asked.op === "delete" && okAt(change) < first) first = okAt(change);
  return first;
}
