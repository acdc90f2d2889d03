import type { SeededBug, Specimen } from "../damage.ts";
import type { OperationEntry, SeenEntry } from "../history.ts";

/** A deletion that was acknowledged, and a state of the message before it. */
function deletion(history: Specimen): { end: OperationEntry; before: SeenEntry } | null {
  for (const { end } of history.operations("delete")) {
    const before = history
      .states(end.conversation, end.id ?? 0)
      .findLast(({ hash, t }) => hash !== null && t < end.t);
    if (before && history.isAlive(end.conversation)) return { end, before };
  }
  return null;
}

/** What goes wrong on the way of messages to people. */
export const deliveryBugs: readonly SeededBug[] = [
  {
    name: "a message arrives that nobody sent",
    violates: "I2",
    damage(history) {
      const seen = history.one("seen", ({ temp_id }) => temp_id !== null);
      if (!seen) return false;
      seen.temp_id = "nobody's";
      return true;
    },
  },
  {
    name: "a message arrives garbled",
    violates: "I2",
    damage(history) {
      const seen = history.one("seen", ({ hash }) => hash !== null);
      if (!seen) return false;
      seen.hash = `${seen.hash}?`;
      return true;
    },
  },
  {
    name: "a message arrives under another sender",
    violates: "I2",
    damage(history) {
      const seen = history.one("seen", ({ sender, temp_id }) => sender !== "ann" && temp_id !== null);
      if (!seen) return false;
      seen.sender = "ann";
      return true;
    },
  },
  {
    name: "a refused send goes out all the same",
    violates: "I2",
    damage(history) {
      const send = history.pick(
        history
          .operations("send")
          .filter(({ end }) =>
            history
              .all("seen", ({ conversation }) => conversation === end.conversation)
              .some(({ temp_id, sender }) => temp_id === end.temp_id && sender === end.user),
          ),
      );
      if (!send) return false;
      send.end.phase = "fail";
      return true;
    },
  },
  {
    name: "a refused edit goes out all the same",
    violates: "I2",
    damage(history) {
      const edit = history.pick(
        history
          .operations("edit")
          .filter(({ invoke }) => history.all("seen").some(({ hash }) => hash === invoke.hash)),
      );
      if (!edit) return false;
      edit.end.phase = "fail";
      return true;
    },
  },
  {
    name: "an edit is seen that nobody has asked for yet",
    violates: "I2",
    damage(history) {
      for (const { invoke } of history.operations("edit")) {
        const seen = history.all("seen", ({ hash }) => hash === invoke.hash)[0];
        if (!seen) continue;
        history.insert(seen, invoke.t - 1);
        return true;
      }
      return false;
    },
  },
  {
    name: "an acknowledgement names another id",
    violates: "I3",
    damage(history) {
      const send = history.pick(
        history.operations("send").filter(({ end }) => history.isAlive(end.conversation)),
      );
      if (!send) return false;
      send.end.id = (send.end.id ?? 0) + 1;
      return true;
    },
  },
  {
    name: "one observer gets another message under an id",
    violates: "I5",
    damage(history) {
      const seen = history.one("seen", ({ id, epoch }) => id > 1 && epoch !== null);
      const other =
        seen &&
        history.one(
          "seen",
          ({ conversation, id, t, temp_id }) =>
            conversation === seen.conversation && id === seen.id - 1 && t < seen.t && temp_id !== null,
        );
      const isKnown =
        !!seen &&
        history.all(
          "seen",
          (one) => one.conversation === seen.conversation && one.id === seen.id && one.epoch === seen.epoch,
        ).length > 1;
      if (!seen || !other || !isKnown || !history.isAlive(seen.conversation)) return false;
      Object.assign(seen, { sender: other.sender, temp_id: other.temp_id, hash: other.hash });
      return true;
    },
  },
  {
    name: "one reader gets two messages in the other order",
    violates: "I5",
    damage(history) {
      const isPlain = ({ via, epoch }: SeenEntry): boolean => via === "live" && epoch !== null;
      for (const first of history.all("seen", isPlain)) {
        if (!history.isAlive(first.conversation)) continue;
        const second = history
          .all("seen", isPlain)
          .find(
            (other) =>
              other.client === first.client &&
              other.conversation === first.conversation &&
              other.id === first.id + 1,
          );
        const { epoch, conversation } = first;
        const isInLog =
          history.log(conversation).epoch === epoch && history.log(conversation).floor <= first.id;
        if (!second || second.epoch !== epoch || !isInLog) continue;
        [first.id, second.id] = [second.id, first.id];
        return true;
      }
      return false;
    },
  },
  {
    name: "one observer gets the old text at the new seq",
    violates: "I5",
    damage(history) {
      for (const seen of history.all("seen", ({ epoch, hash }) => epoch !== null && hash !== null)) {
        const { conversation, id, seq, epoch } = seen;
        const [before] = history.states(conversation, id);
        const twice = history.all(
          "seen",
          (one) =>
            one.conversation === conversation && one.id === id && one.seq === seq && one.epoch === epoch,
        );
        if (!before || before.hash === seen.hash || twice.length < 2) continue;
        seen.hash = before.hash;
        return true;
      }
      return false;
    },
  },
  {
    name: "a page holds another message under an id",
    violates: "I5",
    damage(history) {
      const seen = history.one(
        "seen",
        ({ epoch, id, temp_id }) => epoch === null && id > 1 && temp_id !== null,
      );
      const other =
        seen &&
        history
          .states(seen.conversation, seen.id - 1)
          .find(({ temp_id, t }) => temp_id !== null && t < seen.t);
      if (!seen || !other || !history.isAlive(seen.conversation)) return false;
      Object.assign(seen, { sender: other.sender, temp_id: other.temp_id, hash: other.hash });
      return true;
    },
  },
  {
    name: "a live frame carries what a deleted message said",
    violates: "I14",
    damage(history) {
      const found = deletion(history);
      if (!found) return false;
      history.insert<SeenEntry>({ ...found.before, at: "server", via: "live" }, found.end.t);
      return true;
    },
  },
  {
    name: "a stale page holds what a deleted message said",
    violates: "I14",
    damage(history) {
      const found = deletion(history);
      if (!found) return false;
      const asked = found.end.t + 1e-6;
      history.insert<SeenEntry>({ ...found.before, at: "client", via: "rest", epoch: null, asked }, asked);
      return true;
    },
  },
  {
    name: "search still finds what a deleted message said",
    violates: "I14",
    damage(history) {
      const found = deletion(history);
      if (!found) return false;
      const asked = found.end.t + 1e-6;
      const hit = { at: "client", via: "search", epoch: null, temp_id: null, asked } as const;
      history.insert<SeenEntry>({ ...found.before, ...hit }, asked);
      return true;
    },
  },
  {
    name: "a late replay after a crash brings back what a deleted message said",
    violates: "I14",
    damage(history) {
      const found = deletion(history);
      const crash = found && history.all("crash", ({ t }) => t > found.end.t)[0];
      if (!crash) return false;
      history.insert<SeenEntry>(
        { ...found.before, at: "client", via: "replay", asked: crash.t + 1e-6 },
        crash.t + 1e-6,
      );
      return true;
    },
  },
];
