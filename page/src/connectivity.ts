import { useEffect, useState } from "react";
import type { ConversationState, InboxState } from "../../client/index.ts";

/** What a user is told of the connection. */
export type Connectivity = "connecting" | "syncing" | "live" | "offline" | "closed";

/** On the way for the first time is connecting; trying again after a loss is being offline. */
export function connectivityOf({ status, reason }: ConversationState | InboxState): Connectivity {
  switch (status) {
    case "disconnected":
      return "connecting";
    case "connecting":
      // "left" is what "try now" leaves behind.
      return reason === null || reason === "left" ? "connecting" : "offline";
    case "syncing":
    case "live":
    case "closed":
      return status;
  }
}

/** Whether it has been offline for long enough to push the messages down with a banner. */
export function useIsLastingOffline(connectivity: Connectivity): boolean {
  const isOffline = connectivity === "offline";
  const [isLasting, setLasting] = useState(false);
  useEffect(() => {
    if (!isOffline) {
      setLasting(false);
      return;
    }
    const timer = setTimeout(() => setLasting(true), 700);
    return () => clearTimeout(timer);
  }, [isOffline]);
  return isOffline && isLasting;
}
