import { useCallback, useEffect, useState } from "react";
import type { ConversationState } from "../../client/index.ts";
import { useWebSocket } from "../../client/react/index.ts";

/** What a user is told of the connection. */
export type Connectivity = "connecting" | "syncing" | "live" | "offline" | "closed";

type Link = Pick<ConversationState, "status" | "reason">;

/** On the way for the first time is connecting; trying again after a loss is being offline. */
export function connectivityOf({ status, reason }: Link): Connectivity {
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

/** How the list is connected. */
export function useListConnection(): {
  connectivity: Connectivity;
  reason: Link["reason"];
  /** Whether it has been offline for long enough to say so. */
  isCutOff: boolean;
  tryNow: () => void;
} {
  const { status, reason, connect, disconnect } = useWebSocket();
  const connectivity = connectivityOf({ status, reason });
  const isLasting = useIsLastingOffline(connectivity);
  // A connection that waits for its next attempt starts anew only after an end.
  const tryNow = useCallback(() => {
    disconnect();
    connect();
  }, [connect, disconnect]);
  return { connectivity, reason, isCutOff: isLasting || connectivity === "closed", tryNow };
}
