"use client";

import { useWebSocket } from "@arcyou/chat-client/react";

const WORDS = {
  live: "Online",
  syncing: "Catching up…",
  connecting: "Connecting…",
  disconnected: "Offline",
  closed: "Signed off",
};

export function ConnectionState() {
  const { status, reason } = useWebSocket();
  return (
    <span className="connection" role="status" data-status={status} title={reason ?? undefined}>
      {WORDS[status]}
    </span>
  );
}
