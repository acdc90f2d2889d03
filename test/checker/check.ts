import { completeness, liveness, state } from "./convergence.ts";
import { deletes } from "./deletes.ts";
import { durability, persistence } from "./durability.ts";
import { type Conversation, Facts, type Operation } from "./facts.ts";
import type { Entry } from "./history.ts";
import { agreement, origin } from "./identity.ts";
import { listing } from "./listing.ts";
import { membership } from "./membership.ts";
import { clientOrder, realTime } from "./order.ts";
import { readPositions, unreadCounts } from "./reading.ts";
import type { Invariant, Report, Rule, RuleFactory, Violation } from "./rule.ts";
import { voidReasons } from "./void.ts";

export type { Invariant, Violation } from "./rule.ts";

/** What a history comes to. */
export interface Verdict {
  /** Of each invariant the first {@link MOST_VIOLATIONS}, in the order in which they were certain. */
  violations: Violation[];
  /** Why it would prove nothing if nothing was found. */
  isVoid: string[];
  counts: Counts;
}

/** How much there was to look at. */
export interface Counts {
  entries: number;
  conversations: number;
  operations: number;
  sends: number;
  /** Sends that were acknowledged. */
  acknowledged: number;
  /** States of messages on their way to somebody. */
  seen: number;
  /** Faults that happened. */
  faults: number;
  faultsByName: Record<string, number>;
  crashes: number;
  /** How often each invariant was broken. */
  violations: Partial<Record<Invariant, number>>;
}

/** A run that is broken everywhere is told of by its beginning. */
export const MOST_VIOLATIONS = 1_000;

const RULES: readonly RuleFactory[] = [
  durability,
  origin,
  agreement,
  clientOrder,
  realTime,
  completeness,
  readPositions,
  unreadCounts,
  membership,
  persistence,
  liveness,
  deletes,
  state,
  listing,
];

/**
 * Decides I1 to I15 for a history. It is read once, from beginning to end; time and memory grow with its length.
 *
 * It never calls a right history wrong: where operations overlap, or nobody knows how one ended, every order and
 * outcome that the history allows is allowed.
 */
export function check(entries: Iterable<Entry>): Verdict {
  const judge = new Judge();
  for (const entry of entries) judge.take(entry);
  return judge.verdict();
}

/** The same, for a history that comes piece by piece. */
export class Judge {
  readonly #facts = new Facts();
  readonly #rules: readonly Rule[];
  readonly #violations: Violation[] = [];
  readonly #suspects: Array<{ violation: Violation; unless: readonly Operation[] }> = [];
  readonly #counts: Partial<Record<Invariant, number>> = {};

  constructor() {
    const report: Report = (violation, unless = []) => {
      if (unless.length === 0) this.#add(violation);
      // What ended without an answer never turns out to have failed.
      else if (unless.every(({ phase }) => phase === "invoke")) this.#suspects.push({ violation, unless });
    };
    this.#rules = RULES.map((make) => make(report, this.#facts));
  }

  take(entry: Entry): void {
    const facts = this.#facts;
    facts.take(entry);
    switch (entry.kind) {
      case "operation": {
        const operation = facts.operations.get(entry.operation);
        if (!operation) break;
        const conversation = facts.conversation(operation.asked.conversation);
        for (const rule of this.#rules) rule.operation?.(entry, operation, conversation);
        break;
      }
      case "shown":
        for (const rule of this.#rules) rule.shown?.(entry);
        break;
      case "announced":
        for (const rule of this.#rules) rule.announced?.(entry);
        break;
      case "seen":
      case "position":
      case "count":
      case "log":
        this.#tell(entry, facts.conversation(entry.conversation));
        break;
      case "kept":
      case "run":
      case "fault":
      case "crash":
      case "quiet":
      case "postgres":
      case "held":
      case "fresh":
      case "listed":
        break;
      default:
        entry satisfies never;
    }
  }

  verdict(): Verdict {
    const facts = this.#facts;
    for (const conversation of facts.conversations.values())
      for (const rule of this.#rules) rule.end?.(conversation);
    for (const { violation, unless } of this.#suspects.splice(0))
      if (unless.every(({ phase }) => phase === "fail")) this.#add(violation);
    const sends = [...facts.operations.values()].filter(({ asked }) => asked.op === "send");
    return {
      violations: this.#violations,
      isVoid: voidReasons(facts),
      counts: {
        entries: facts.entries,
        conversations: facts.conversations.size,
        operations: facts.operations.size,
        sends: sends.length,
        acknowledged: sends.filter(({ phase }) => phase === "ok").length,
        seen: facts.seen,
        faults: facts.faults,
        faultsByName: facts.faultsByName,
        crashes: facts.crashes,
        violations: this.#counts,
      },
    };
  }

  #tell(
    entry: Extract<Entry, { kind: "seen" | "position" | "count" | "log" }>,
    conversation: Conversation,
  ): void {
    for (const rule of this.#rules) {
      switch (entry.kind) {
        case "seen":
          rule.seen?.(entry, conversation);
          break;
        case "position":
          rule.position?.(entry, conversation);
          break;
        case "count":
          rule.count?.(entry, conversation);
          break;
        case "log":
          rule.log?.(entry, conversation);
      }
    }
  }

  #add(violation: Violation): void {
    const count = (this.#counts[violation.invariant] ?? 0) + 1;
    this.#counts[violation.invariant] = count;
    if (count <= MOST_VIOLATIONS) this.#violations.push(violation);
  }
}
