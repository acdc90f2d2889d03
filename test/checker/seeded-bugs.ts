import type { SeededBug } from "./damage.ts";
import { deliveryBugs } from "./seeded-bugs/delivery.ts";
import { inboxBugs } from "./seeded-bugs/inbox.ts";
import { membershipBugs } from "./seeded-bugs/membership.ts";
import { orderBugs } from "./seeded-bugs/order.ts";
import { stateBugs } from "./seeded-bugs/state.ts";
import { storageBugs } from "./seeded-bugs/storage.ts";

/** Defects that the checker must find, each as what it breaks. */
export const SEEDED_BUGS: readonly SeededBug[] = [
  ...storageBugs,
  ...deliveryBugs,
  ...orderBugs,
  ...membershipBugs,
  ...stateBugs,
  ...inboxBugs,
];
