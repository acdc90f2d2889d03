import { isEnded } from "./facts.ts";
import type { ListedEntry, Standing } from "./history.ts";
import type { RuleFactory } from "./rule.ts";

/**
 * **Inboxes in the end** (I10, I11, I15). When all is quiet, the open inbox of a participant shows the conversation exactly
 * as the conversation itself stands for them: head, read position and unread messages. Their total is the sum of what it
 * shows. Nobody else's inbox shows it.
 *
 * Sound because whoever records it has waited until every inbox was told, and made up for what was lost where that is
 * promised for later.
 */
export const listing: RuleFactory = (report) => ({
  end(conversation) {
    const { name, postgres, listed } = conversation;
    if (!postgres) return;
    const members = new Set(isEnded(conversation) ? [] : postgres.participants.map(({ user }) => user));
    for (const entry of listed) {
      const { user, shown, total } = entry;
      const told = (invariant: "I10" | "I11" | "I15", message: string): void =>
        report({ invariant, message: `The inbox of ${user} ${message} in the end.` });
      const difference = members.has(user) ? differenceOf(entry) : null;
      if (difference) told("I15", `shows ${name} with ${difference}`);
      if (!members.has(user) && shown) told("I11", `shows ${name}, in which they take no part,`);
      const unread = shown?.unread ?? 0;
      if (total !== unread) told("I10", `counts ${total} unread in all, and ${unread} in ${name},`);
    }
  },
});

function differenceOf({ shown, own }: ListedEntry): string | null {
  if (!own) return "no answer of its own to a participant";
  if (!shown) return "nothing of it";
  const fields: Array<keyof Standing> = ["head", "last_read_id", "unread"];
  const other = fields.find((field) => shown[field] !== own[field]);
  return other === undefined ? null : `${other} ${shown[other]} instead of ${own[other]}`;
}
