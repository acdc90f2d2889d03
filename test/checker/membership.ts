import {
  type Conversation,
  isAcknowledged,
  isEnded,
  leftAfter,
  mayHappen,
  type Operation,
  okAt,
  possibleFrom,
} from "./facts.ts";
import type { Instant, OperationEntry } from "./history.ts";
import type { RuleFactory } from "./rule.ts";

/**
 * **I11 membership.** After a removal was acknowledged, and before anybody asks to add the user again, nothing of the
 * conversation leaves the service for that user: no message, position or count. That is certain of what
 * - left the service after it,
 * - was asked for after it, or
 * - tells of a state that was asked for after it.
 * And nothing is carried out for them: no operation that was invoked after it is acknowledged. Deleting the conversation
 * removes everybody for ever. In the end participants are who they must be by what was acknowledged, and nobody else
 * reads it or is connected; who was never removed and is no participant never was one, and never got anything.
 *
 * Sound because an addition that is under way may have been done already; one that was asked for before the removal
 * may come after it unless it ended before the removal was asked for. Who learns late that somebody else deleted a message
 * has a deletion of their own acknowledged by that, and nothing was carried out for them.
 */
export const membership: RuleFactory = (report, facts) => {
  /** Who was told anything, and when first, by conversation. */
  const reached = new Map<string, Map<string, Instant>>();

  const judge = (
    conversation: Conversation,
    user: string,
    after: Instant,
    t: Instant,
    what: string,
  ): void => {
    const users = reached.get(conversation.name) ?? new Map<string, Instant>();
    reached.set(conversation.name, users);
    if (!users.has(user)) users.set(user, t);
    const excuses = comebacks(conversation, user, after, t);
    if (!excuses) return;
    report(
      { invariant: "I11", message: `${user} was out of ${conversation.name}, and ${what}.`, t },
      excuses,
    );
  };

  return {
    operation({ phase, t }, { asked }, conversation) {
      if (phase === "ok" && !isDeletedByAnother(conversation, asked))
        judge(conversation, asked.user, asked.t, t, `${asked.operation} was carried out for them`);
    },

    seen(entry, conversation) {
      const { user, id, via, t } = entry;
      // Finding out what is told of is dear, and of use only where somebody was removed.
      const isTold =
        entry.at === "client" && (conversation.memberships.has(user) || conversation.ends.length > 0);
      const after = leftAfter(entry, isTold ? possibleFrom(conversation, entry) : null);
      judge(conversation, user, after, t, `got ${id} (${via})`);
    },

    position(entry, conversation) {
      judge(conversation, entry.user, leftAfter(entry), entry.t, `was told what ${entry.reader} read`);
    },

    count(entry, conversation) {
      judge(conversation, entry.user, leftAfter(entry), entry.t, `was told of ${entry.unread} unread`);
    },

    end(conversation) {
      const { name, postgres, held, fresh, memberships } = conversation;
      const told = (message: string): void => report({ invariant: "I11", message: `${name}: ${message}` });
      const members = new Set(isEnded(conversation) ? [] : postgres?.participants.map(({ user }) => user));
      for (const { user, client, live } of held)
        if (live && !members.has(user)) told(`${client} of ${user} is live.`);
      for (const { user, found } of fresh) if (found && !members.has(user)) told(`${user} can read it.`);
      if (!postgres || isEnded(conversation)) return;

      for (const [user, changes] of memberships) {
        const last = lastOf(changes);
        if (last === "remove" && members.has(user)) told(`${user} takes part, and was removed.`);
        if (last === "add" && !members.has(user)) told(`${user} takes no part, and was added.`);
      }
      if (conversation.ends.some(mayHappen) || !facts.quiet) return;
      for (const [user, t] of reached.get(name) ?? []) {
        const wasRemoved = memberships
          .get(user)
          ?.some(({ asked, phase }) => asked.op === "remove" && phase !== "fail");
        if (!members.has(user) && !wasRemoved)
          report({ invariant: "I11", message: `${user} never took part in ${name}, and was told of it.`, t });
      }
    },
  };
};

/**
 * Null if the user may have taken part at some moment from `after` to `t`. Otherwise what was being done to add them
 * then: they did not take part if none of it happened.
 */
function comebacks(conversation: Conversation, user: string, after: Instant, t: Instant): Operation[] | null {
  if (conversation.ends.some((end) => okAt(end) < after)) return [];
  const changes = conversation.memberships.get(user);
  if (!changes) return null;
  let removal: Operation | undefined;
  for (const change of changes)
    if (
      change.asked.op === "remove" &&
      okAt(change) < after &&
      !(removal && change.asked.t < removal.asked.t)
    )
      removal = change;
  if (!removal) return null;
  const additions: Operation[] = [];
  for (const change of changes) {
    const { asked, endedAt, phase } = change;
    if (asked.op !== "add" || !mayHappen(change) || asked.t >= t) continue;
    if (isAcknowledged(change) && endedAt < removal.asked.t) continue;
    if (phase === "ok") return null;
    additions.push(change);
  }
  return additions;
}

/** What was certainly done last to somebody: all that may undo it had ended before it was asked for. */
function lastOf(changes: readonly Operation[]): "add" | "remove" | null {
  for (const op of ["add", "remove"] as const) {
    const others = changes.filter((change) => change.asked.op !== op && mayHappen(change));
    const undoneAt = Math.max(...others.map((other) => okAt(other)));
    if (
      changes.some((change) => change.asked.op === op && isAcknowledged(change) && undoneAt < change.asked.t)
    )
      return op;
  }
  return null;
}

/** Whether somebody asked for the same deletion before. */
function isDeletedByAnother(
  { changes }: Conversation,
  { op, id = 0, t, operation }: OperationEntry,
): boolean {
  if (op !== "delete") return false;
  return (changes.get(id) ?? []).some(
    ({ asked }) => asked.op === "delete" && asked.operation !== operation && asked.t < t,
  );
}
