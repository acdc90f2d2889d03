/** Schedules that once broke something, and what it was. They stay. */
export const SEEDS = [
  { seed: 2268, found: "a client whose clock was set back repeated a refused message an hour later" },
];
