import type { Plan, Step } from "./plan.ts";
import { UNSTORABLE } from "./postgres.ts";

const TWO = { users: ["ann", "bo"], devices: ["ann", "bo"], participants: 2, tokenLifeMs: null };
const GENEROUS = { perSecond: 20, burst: 40 };
const STRICT = { perSecond: 4, burst: 4 };

const send = (atMs: number, who: number, text: string): Step => ({
  atMs,
  do: "send",
  who,
  text,
  isReply: false,
});

/** Plans that once broke something, as small as they could be made, and what was broken. They stay. */
export const REGRESSIONS: Array<{ found: string; plan: Plan }> = [
  {
    found: "the drain stood still for as long as a clock had been set back",
    plan: {
      ...TWO,
      seed: 1,
      rateLimit: GENEROUS,
      steps: [
        send(0, 0, "one"),
        send(10, 1, "two"),
        { atMs: 30, do: "clock", who: null, skewMs: -3_600_000 },
        send(40, 0, "three"),
      ],
    },
  },
  {
    found: "two messages that Postgres refuses, with nothing behind them, were taken for a broken database",
    plan: {
      ...TWO,
      seed: 1,
      rateLimit: GENEROUS,
      steps: [
        send(0, 0, "one"),
        send(0, 1, "two"),
        send(500, 0, `${UNSTORABLE} three`),
        send(520, 0, `${UNSTORABLE} four`),
        send(525, 0, `${UNSTORABLE} five`),
      ],
    },
  },
  {
    found: "a message was set aside while Postgres failed, and its report was lost",
    plan: {
      ...TWO,
      seed: 5,
      rateLimit: GENEROUS,
      steps: [
        send(0, 0, "one"),
        send(0, 1, "two"),
        { atMs: 490, do: "postgres", mood: "refusing", forMs: 6_000 },
        send(500, 0, `${UNSTORABLE} three`),
        send(2_000, 0, `${UNSTORABLE} four`),
        send(4_000, 0, `${UNSTORABLE} five`),
      ],
    },
  },
  {
    found: "a message refused by the rate limit was repeated behind a later one that was let through",
    plan: {
      seed: 1_171,
      users: ["ann", "bo", "cho", "dae"],
      devices: ["ann", "bo", "cho", "dae"],
      participants: 4,
      tokenLifeMs: null,
      rateLimit: STRICT,
      steps: [
        send(0, 0, "hello 0"),
        send(0, 1, "hello 1"),
        { atMs: 243, do: "send", who: 3, text: "text 4.0", isReply: true },
        { atMs: 243, do: "delete", who: 1, luck: 0.009554186835885048, text: "" },
        { atMs: 243, do: "send", who: 0, text: "text 4.5", isReply: true },
        { atMs: 245, do: "edit", who: 1, luck: 0.4576831867452711, text: "edit 4.2" },
        send(246, 1, "text 4.3"),
        { atMs: 247, do: "send", who: 1, text: "text 4.4", isReply: true },
        { atMs: 249, do: "send", who: 1, text: "text 4.6", isReply: true },
      ],
    },
  },
  {
    found: "a client whose clock was set back repeated a refused message an hour later",
    plan: {
      ...TWO,
      seed: 2,
      rateLimit: STRICT,
      steps: [
        ...Array.from({ length: 8 }, (_, n) => send(0, 0, `text ${n}`)),
        send(0, 1, "hello"),
        { atMs: 60, do: "clock", who: 0, skewMs: -3_600_000 },
      ],
    },
  },
  {
    found: "an edit that was stuck on an old connection arrived after a newer one, and won",
    plan: {
      ...TWO,
      seed: 1,
      rateLimit: GENEROUS,
      steps: [
        send(0, 0, "one"),
        send(0, 1, "two"),
        { atMs: 1_000, do: "strand", who: 0, forMs: 40_000 },
        { atMs: 1_010, do: "edit", who: 0, luck: 0, text: "old" },
        { atMs: 38_000, do: "edit", who: 0, luck: 0, text: "new" },
      ],
    },
  },
  {
    found: "a clock set forward ended the wait for a refused message, and a later one overtook it",
    plan: {
      seed: 1_795_403_948_282,
      users: ["ann", "bo"],
      devices: ["ann", "bo", "ann", "bo"],
      participants: 2,
      tokenLifeMs: null,
      rateLimit: STRICT,
      steps: [
        send(0, 0, "hello 0"),
        send(0, 1, "hello 1"),
        send(539, 3, "text 3.0"),
        send(539, 3, "text 3.1"),
        { atMs: 539, do: "edit", who: 1, luck: 0.5974960480816662, text: "edit 3.6" },
        send(539, 2, "text 3.7"),
        { atMs: 542, do: "send", who: 0, text: "text 3.3", isReply: true },
        send(543, 2, "text 3.4"),
        { atMs: 544, do: "delete", who: 1, luck: 0.938575851963833, text: "" },
        {
          atMs: 784,
          do: "weather",
          who: 1,
          weather: { latencyMs: 500, echo: 0 },
          forMs: 1_485.1156370714307,
        },
        { atMs: 1_000, do: "post", who: 1, text: "text 4.0" },
        send(1_013, 3, "text 4.1"),
        send(1_073, 0, "text 0.0"),
        { atMs: 1_096, do: "page", who: 3, luck: 0.09387745289131999 },
        { atMs: 1_100, do: "edit", who: 3, luck: 0.6992635380011052, text: "edit 4.2" },
        send(1_200, 1, "text 4.4"),
        send(1_343, 1, "text 2.3"),
        { atMs: 1_401, do: "clock", who: null, skewMs: 3_600_000 },
      ],
    },
  },
  {
    found:
      "somebody was added again while their inbox was being told of the removal, and it never showed it again",
    plan: {
      seed: 61,
      users: ["ann", "bo", "cho"],
      devices: ["ann", "bo", "cho"],
      participants: 3,
      tokenLifeMs: null,
      rateLimit: GENEROUS,
      steps: [
        send(0, 0, "one"),
        send(0, 1, "two"),
        { atMs: 862, do: "remove", who: 0, target: "cho" },
        { atMs: 891, do: "add", who: 0, target: "cho" },
      ],
    },
  },
  {
    found: "a notice from before storage was lost came after one from after it, and the list stood still",
    plan: {
      seed: 2_996,
      users: ["ann", "bo", "cho", "dae"],
      devices: ["ann", "bo", "cho", "dae", "bo"],
      participants: 4,
      tokenLifeMs: null,
      rateLimit: GENEROUS,
      steps: [
        { atMs: 258, do: "lose storage" },
        { atMs: 392, do: "crash", luck: 0.3830583794042468 },
      ],
    },
  },
  {
    found: "a message that was told to have failed was sent by the next tab of the device (I2)",
    plan: {
      seed: 2_405,
      users: ["ann", "bo"],
      devices: ["ann", "bo", "bo"],
      participants: 2,
      tokenLifeMs: null,
      rateLimit: { perSecond: 4, burst: 4 },
      disks: true,
      steps: [
        send(411, 1, "text 0.4"),
        { atMs: 414, do: "send", who: 2, text: "text 0.7", isReply: true },
        { atMs: 588, do: "edit", who: 1, luck: 0.5563171864487231, text: "edit 2.0" },
        { atMs: 594, do: "page", who: 0, luck: 0.6214755750261247 },
        send(595, 2, "text 2.7"),
        { atMs: 596, do: "remove", who: 0, target: "bo" },
        send(597, 1, "text 2.9"),
        { atMs: 1_169, do: "add", who: 0, target: "bo" },
        { atMs: 3_037, do: "reload", who: 2 },
      ],
    },
  },
  {
    found: "a message failed while it was being written, and the disk kept it as unsent (I2)",
    plan: {
      seed: 7_037,
      users: ["ann", "bo", "cho", "dae"],
      devices: ["ann", "bo", "cho", "dae", "bo", "cho"],
      participants: 4,
      tokenLifeMs: 2_739,
      rateLimit: GENEROUS,
      disks: true,
      steps: [
        send(0, 0, "hello 0"),
        send(0, 1, "hello 1"),
        { atMs: 165, do: "remove", who: 4, target: "bo" },
        { atMs: 175, do: "add", who: 0, target: "bo" },
        send(180, 2, "text 2.1"),
        { atMs: 187, do: "add", who: 0, target: "cho" },
        { atMs: 203, do: "send", who: 1, text: "text 0.2", isReply: true },
        { atMs: 950, do: "reload", who: 1 },
      ],
    },
  },
];
