import { createContext, useContext } from "react";
import type { Hub } from "./hub.ts";

export const HubContext = createContext<Hub | null>(null);

/** @throws Error outside a provider */
export function useHub(): Hub {
  const hub = useContext(HubContext);
  if (!hub) throw new Error("There is no <ChatProvider> above this component.");
  return hub;
}
