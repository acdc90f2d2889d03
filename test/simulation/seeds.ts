/** Schedules that once broke something, and what it was. They stay. */
export const SEEDS = [{ seed: 427, found: "the drain stood still for as long as a clock had been set back" }];
