import { type Conversation, type Facts, isEnded } from "./facts.ts";

/**
 * Why a run proves nothing even if nothing is found:
 * - it is no sound record: out of order, or with operations that end twice;
 * - nothing was sent, or less than half of what was sent was acknowledged;
 * - a fault that was to happen did not;
 * - no operations of different clients overlapped, so that nothing could get into each other's way;
 * - it never came to an end, or a conversation was not looked at then: its log, Postgres, a client and a fresh read.
 */
export function voidReasons(facts: Facts): string[] {
  const { run, quiet, firedFaults, operations, conversations } = facts;
  const reasons = facts.defects.slice(0, 10);
  if (!run) reasons.push("It does not say which run it is of.");
  let sends = 0;
  let acknowledged = 0;
  for (const { asked, phase } of operations.values()) {
    if (asked.op !== "send") continue;
    sends += 1;
    if (phase === "ok") acknowledged += 1;
  }
  if (sends === 0) reasons.push("Nothing was sent.");
  else if (acknowledged * 2 < sends)
    reasons.push(`Only ${acknowledged} of ${sends} sends were acknowledged.`);
  for (const fault of run?.faults ?? [])
    if (!firedFaults.has(fault)) reasons.push(`The fault ${fault} never happened.`);
  if (!facts.hasOverlap) reasons.push("No operations of different clients overlapped.");
  if (!quiet) return [...reasons, "It never says that all is quiet."];
  for (const conversation of conversations.values()) {
    const missing = missingDumps(conversation);
    if (missing.length > 0)
      reasons.push(`${conversation.name} was not looked at in the end: ${missing.join(", ")}.`);
  }
  return reasons;
}

function missingDumps(conversation: Conversation): string[] {
  if (isEnded(conversation)) return [];
  const { log, postgres, held, fresh } = conversation;
  return [
    ...(log ? [] : ["no log"]),
    ...(postgres ? [] : ["no rows of Postgres"]),
    ...(held.length > 0 ? [] : ["no client"]),
    ...(fresh.length > 0 ? [] : ["no fresh read"]),
  ];
}
