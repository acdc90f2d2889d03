import type { SeededBug, Specimen } from "../damage.ts";
import type { Instant, ShownEntry } from "../history.ts";

/** Three messages that a client announced one after the other, without beginning anew in between. */
function announcedRun(history: Specimen) {
  const announced = history.all("announced");
  for (const first of announced) {
    const { client, conversation, user, id } = first;
    const isMine = (other: { client: string; conversation: string }): boolean =>
      other.client === client && other.conversation === conversation;
    const mine = announced.filter(isMine);
    const [second, third] = [1, 2].map((n) => mine[mine.indexOf(first) + n]);
    if (second?.id !== id + 1 || third?.id !== id + 2) continue;
    const isBetween = ({ t }: { t: Instant }): boolean => t > first.t && t < third.t;
    const start = history.all("shown", (shown) => isMine(shown) && shown.t <= first.t).at(-1)?.ranges[0]?.[0];
    const restarts = [
      ...history.all("shown", (shown) => isMine(shown) && isBetween(shown) && shown.ranges[0]?.[0] !== start),
      ...history.all(
        "operation",
        (one) => one.target === user && one.conversation === conversation && isBetween(one),
      ),
      ...(history.epochs(conversation).size > 1 ? [first] : []),
    ];
    if (restarts.length === 0) return [first, second, third] as const;
  }
  return null;
}

/** What goes wrong with the order of things. */
export const orderBugs: readonly SeededBug[] = [
  {
    name: "a client shows messages across a hole",
    violates: "I6",
    damage(history) {
      const shown = history.one("shown", ({ ranges: [range] }) => !!range && range[1] - range[0] > 1);
      const [range] = shown?.ranges ?? [];
      if (!shown || !range) return false;
      shown.ranges = [
        [range[0], range[0]],
        [range[0] + 2, range[1]],
      ];
      return true;
    },
  },
  {
    name: "a client shows a message twice",
    violates: "I6",
    damage(history) {
      const shown = history.one("shown", ({ ranges }) => ranges.length === 1);
      const [range] = shown?.ranges ?? [];
      if (!shown || !range) return false;
      shown.ranges = [range, [range[1], range[1]]];
      return true;
    },
  },
  {
    name: "a message vanishes from a screen",
    violates: "I6",
    damage(history) {
      const shown = history.one(
        "shown",
        ({ conversation, ranges: [range] }) =>
          !!range && range[1] > range[0] && history.epochs(conversation).size === 1,
      );
      const [range] = shown?.ranges ?? [];
      if (!shown || !range) return false;
      history.insert<ShownEntry>({ ...shown, ranges: [[range[0], range[1] - 1]] }, shown.t);
      return true;
    },
  },
  {
    name: "a message is announced twice",
    violates: "I6",
    damage(history) {
      const announced = history.one("announced");
      if (!announced) return false;
      history.insert(announced, announced.t);
      return true;
    },
  },
  {
    name: "messages are announced in the other order",
    violates: "I6",
    damage(history) {
      const run = announcedRun(history);
      if (!run) return false;
      const [first, second] = run;
      [first.id, second.id] = [second.id, first.id];
      return true;
    },
  },
  {
    name: "a message is never announced",
    violates: "I6",
    damage(history) {
      const run = announcedRun(history);
      if (!run) return false;
      history.remove(run[1]);
      return true;
    },
  },
  {
    name: "a later send stands before an earlier one",
    violates: "I7",
    damage(history) {
      const sends = history.operations("send");
      for (const first of sends) {
        const second = sends.find(
          ({ invoke, end }) =>
            end.conversation === first.end.conversation &&
            end.user !== first.end.user &&
            invoke.t > first.end.t &&
            end.id === (first.end.id ?? 0) + 1,
        );
        if (!second) continue;
        history.exchange(first.end.conversation, first.end.id ?? 0, second.end.id ?? 0);
        return true;
      }
      return false;
    },
  },
  {
    name: "a client's queue is overtaken by itself",
    violates: "I7",
    damage(history) {
      const sends = history.operations("send");
      for (const first of sends) {
        const second = sends.find(
          ({ invoke, end }) =>
            end.conversation === first.end.conversation &&
            end.client === first.end.client &&
            invoke.t > first.invoke.t &&
            invoke.t < first.end.t &&
            (end.id ?? 0) > (first.end.id ?? 0),
        );
        if (!second) continue;
        history.exchange(first.end.conversation, first.end.id ?? 0, second.end.id ?? 0);
        return true;
      }
      return false;
    },
  },
];
