import type { SeededBug, Specimen } from "../damage.ts";
import type { CountEntry, ListedEntry, Standing } from "../history.ts";

/** What the inbox of a participant shows in the end. */
function listed(
  history: Specimen,
  where: (shown: Standing) => boolean = () => true,
): { entry: ListedEntry; shown: Standing } | null {
  const entry = history.one(
    "listed",
    ({ shown, conversation }) => shown !== null && history.isAlive(conversation) && where(shown),
  );
  return entry?.shown ? { entry, shown: entry.shown } : null;
}

/** What goes wrong with what inboxes show. */
export const inboxBugs: readonly SeededBug[] = [
  {
    name: "an inbox never hears of the newest message",
    violates: "I15",
    damage(history) {
      const found = listed(history);
      if (!found) return false;
      found.entry.shown = { ...found.shown, head: found.shown.head - 1 };
      return true;
    },
  },
  {
    name: "an inbox never hears that its user has read elsewhere",
    violates: "I15",
    damage(history) {
      const found = listed(history, ({ last_read_id }) => last_read_id > 0);
      if (!found) return false;
      found.entry.shown = { ...found.shown, last_read_id: found.shown.last_read_id - 1 };
      return true;
    },
  },
  {
    name: "a deletion does not reach an inbox",
    violates: "I15",
    damage(history) {
      const found = listed(history);
      if (!found) return false;
      found.entry.shown = { ...found.shown, unread: found.shown.unread + 1 };
      found.entry.total += 1;
      return true;
    },
  },
  {
    name: "an inbox is never told of a conversation that its user was added to",
    violates: "I15",
    damage(history) {
      const found = listed(history);
      if (!found) return false;
      Object.assign(found.entry, { shown: null, total: 0 });
      return true;
    },
  },
  {
    name: "the total of an inbox is off by one",
    violates: "I10",
    damage(history) {
      const found = listed(history);
      if (!found) return false;
      found.entry.total += 1;
      return true;
    },
  },
  {
    name: "an inbox counts what was deleted",
    violates: "I10",
    damage(history) {
      const count = history.one(
        "count",
        ({ via, conversation }) =>
          via === "inbox" && history.isAlive(conversation) && history.epochs(conversation).size === 1,
      );
      if (!count) return false;
      count.unread += 1;
      return true;
    },
  },
  {
    name: "a conversation stays in the inbox of somebody who was removed",
    violates: "I11",
    damage(history) {
      for (const { conversation, user, until } of history.absences()) {
        const entry = history.all(
          "listed",
          (one) => one.conversation === conversation && one.user === user && one.shown === null,
        )[0];
        if (!entry || until < history.quiet.t) continue;
        entry.shown = { head: 1, last_read_id: 1, unread: 0 };
        return true;
      }
      return false;
    },
  },
  {
    name: "a late notice puts a conversation back into the inbox of somebody who was removed",
    violates: "I11",
    damage(history) {
      for (const { conversation, user, from, until } of history.absences()) {
        const count = history
          .all("count", (one) => one.conversation === conversation && one.user === user && one.t < from)
          .findLast(({ via }) => via === "inbox");
        if (!count || !(until > from)) continue;
        history.insert<CountEntry>({ ...count }, from);
        return true;
      }
      return false;
    },
  },
];
