import type { Conversation, Facts, Operation } from "./facts.ts";
import type {
  AnnouncedEntry,
  CountEntry,
  Instant,
  LogEntry,
  OperationEntry,
  PositionEntry,
  SeenEntry,
  ShownEntry,
} from "./history.ts";

/** One of the promises. docs/evidence.md */
export type Invariant =
  | "I1"
  | "I2"
  | "I3"
  | "I4"
  | "I5"
  | "I6"
  | "I7"
  | "I8"
  | "I9"
  | "I10"
  | "I11"
  | "I12"
  | "I13"
  | "I14"
  | "I15";

/** A promise that was not kept. */
export interface Violation {
  invariant: Invariant;
  message: string;
  /** Where in the history it showed; missing where the end showed it. */
  t?: Instant;
}

/**
 * Tells of a violation.
 *
 * @param unless operations that may still turn out to have happened, and then excuse it
 */
export type Report = (violation: Violation, unless?: readonly Operation[]) => void;

/**
 * Judges one group of invariants. It is shown each entry of its interest in order, when the facts already hold it, and
 * asked for the rest when all was read.
 */
export interface Rule {
  operation?(entry: OperationEntry, operation: Operation, conversation: Conversation): void;
  seen?(entry: SeenEntry, conversation: Conversation): void;
  shown?(entry: ShownEntry): void;
  announced?(entry: AnnouncedEntry): void;
  position?(entry: PositionEntry, conversation: Conversation): void;
  count?(entry: CountEntry, conversation: Conversation): void;
  log?(entry: LogEntry, conversation: Conversation): void;
  /** Called once for each conversation. */
  end?(conversation: Conversation): void;
}

/** Makes a rule for one history. */
export type RuleFactory = (report: Report, facts: Facts) => Rule;
