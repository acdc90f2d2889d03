import type { SeededBug, Specimen } from "../damage.ts";
import type { CountEntry, Instant, OperationEntry, PositionEntry, SeenEntry } from "../history.ts";

/** Somebody is out of a conversation for a while, and these were its messages before. */
function absence(
  history: Specimen,
): { conversation: string; user: string; from: Instant; until: Instant; seen: SeenEntry } | null {
  for (const out of history.absences()) {
    const seen = history.one(
      "seen",
      ({ conversation, t, epoch }) => conversation === out.conversation && t < out.from && epoch !== null,
    );
    if (seen && out.until > out.from) return { ...out, seen };
  }
  return null;
}

/** What goes wrong with who may know of a conversation. */
export const membershipBugs: readonly SeededBug[] = [
  {
    name: "a frame reaches a removed user's socket",
    violates: "I11",
    damage(history) {
      const out = absence(history);
      if (!out) return false;
      const { user, from, seen } = out;
      history.insert<SeenEntry>({ ...seen, at: "server", via: "live", client: `${user}.1`, user }, from);
      return true;
    },
  },
  {
    name: "a removed user reads a page",
    violates: "I11",
    damage(history) {
      const out = absence(history);
      if (!out) return false;
      const { user, from, until, seen } = out;
      const asked = from + (until - from) / 1e6;
      const page = { at: "client", via: "rest", epoch: null, client: `${user}.1`, user, asked } as const;
      history.insert<SeenEntry>({ ...seen, ...page }, asked);
      return true;
    },
  },
  {
    name: "a removed user finds a message by search",
    violates: "I11",
    damage(history) {
      const out = absence(history);
      if (!out) return false;
      const { user, from, until, seen } = out;
      const asked = from + (until - from) / 1e6;
      const hit = {
        at: "client",
        via: "search",
        epoch: null,
        temp_id: null,
        client: `${user}.1`,
        user,
        asked,
      } as const;
      history.insert<SeenEntry>({ ...seen, ...hit }, asked);
      return true;
    },
  },
  {
    name: "an old connection brings a removed user what was sent later",
    violates: "I11",
    damage(history) {
      for (const { conversation, user, from, until } of history.absences()) {
        const send = history
          .operations("send")
          .find(({ invoke, end }) => end.conversation === conversation && invoke.t > from && end.t < until);
        const seen =
          send &&
          history.all(
            "seen",
            (one) =>
              one.conversation === conversation &&
              one.temp_id === send.end.temp_id &&
              one.hash === send.invoke.hash,
          )[0];
        if (!send || !seen || seen.t > until) continue;
        const late = { at: "client", asked: null, via: "live", client: `${user}.1`, user } as const;
        history.insert<SeenEntry>({ ...seen, ...late }, Math.max(send.end.t, seen.t));
        return true;
      }
      return false;
    },
  },
  {
    name: "a removed user is told of unread messages",
    violates: "I11",
    damage(history) {
      const out = absence(history);
      const count =
        out &&
        history.one("count", ({ conversation, t }) => conversation === out.conversation && t < out.from);
      if (!count) return false;
      const asked = out.from + (out.until - out.from) / 1e6;
      history.insert<CountEntry>({ ...count, asked, client: `${out.user}.1`, user: out.user }, asked);
      return true;
    },
  },
  {
    name: "a removed user is told what others have read",
    violates: "I11",
    damage(history) {
      const out = absence(history);
      const position =
        out &&
        history.one("position", ({ conversation, t }) => conversation === out.conversation && t < out.from);
      if (!position) return false;
      history.insert<PositionEntry>(
        { ...position, at: "server", client: `${out.user}.1`, user: out.user },
        out.from,
      );
      return true;
    },
  },
  {
    name: "a removed user can still write",
    violates: "I11",
    damage(history) {
      const out = absence(history);
      if (!out) return false;
      const { conversation, user, from } = out;
      const asked = {
        kind: "operation",
        op: "read",
        operation: "sneaks",
        client: `${user}.1`,
        user,
        conversation,
        id: 1,
      };
      const t = history.insert<OperationEntry>({ ...asked, phase: "invoke" } as OperationEntry, from);
      history.insert<OperationEntry>({ ...asked, phase: "ok" } as OperationEntry, t);
      return true;
    },
  },
  {
    name: "somebody who never took part gets messages",
    violates: "I11",
    damage(history) {
      const seen = history.one("seen", ({ conversation }) => history.isAlive(conversation));
      if (!seen) return false;
      history.insert<SeenEntry>({ ...seen, client: "eve.1", user: "eve" }, seen.t);
      return true;
    },
  },
  {
    name: "a deleted conversation goes on talking",
    violates: "I11",
    damage(history) {
      const [end] = history.operations("end");
      const seen = end && history.one("seen", ({ conversation }) => conversation === end.end.conversation);
      if (!seen) return false;
      history.insert<SeenEntry>({ ...seen, at: "server" }, end.end.t);
      return true;
    },
  },
  {
    name: "a removed user can read in the end",
    violates: "I11",
    damage(history) {
      const fresh = history.one("fresh", ({ found }) => !found);
      if (!fresh) return false;
      fresh.found = true;
      return true;
    },
  },
  {
    name: "a removed user stays connected",
    violates: "I11",
    damage(history) {
      const members = new Map(
        history.all("postgres").map((entry) => [entry.conversation, entry.participants]),
      );
      const held = history.one(
        "held",
        ({ live, conversation, user }) =>
          !live && !members.get(conversation)?.some((one) => one.user === user),
      );
      if (!held) return false;
      held.live = true;
      return true;
    },
  },
  {
    name: "a removal is forgotten",
    violates: "I11",
    damage(history) {
      for (const { conversation, user, until } of history.absences()) {
        if (until < history.quiet.t || !history.isAlive(conversation)) continue;
        history.postgres(conversation).participants.push({ user, last_read_id: 0 });
        return true;
      }
      return false;
    },
  },
  {
    name: "an addition is forgotten",
    violates: "I11",
    damage(history) {
      for (const { end } of history.operations("add")) {
        const { conversation, target } = end;
        const removals = history.all(
          "operation",
          ({ op, target: other, conversation: place }) =>
            op === "remove" && other === target && place === conversation,
        );
        if (!history.isAlive(conversation) || removals.some(({ phase, t }) => t > end.t || phase === "info"))
          continue;
        const isOpen = removals.some(
          ({ phase, operation, t }) =>
            phase === "invoke" &&
            t < end.t &&
            !removals.some((one) => one.operation === operation && one.phase !== "invoke"),
        );
        const started = history.operations("add").find((one) => one.end === end)?.invoke.t ?? 0;
        if (isOpen || removals.some(({ phase, t }) => phase !== "invoke" && t > started)) continue;
        for (const dump of history.dumps(conversation)) {
          if (dump.kind === "postgres")
            dump.participants = dump.participants.filter(({ user }) => user !== target);
        }
        return true;
      }
      return false;
    },
  },
];
