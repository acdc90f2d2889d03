"use client";

import { ChatProvider } from "@arcyou/chat-client/react";
import type { ReactNode } from "react";

/** Asked again shortly before a token ends, by one tab for all of them. */
async function fetchChatToken(): Promise<string> {
  const response = await fetch("/api/chat-token");
  if (!response.ok) throw new Error(`No chat token: ${response.status}`);
  const { token }: { token: string } = await response.json();
  return token;
}

export function Chat({ url, userId, children }: { url: string; userId: string; children: ReactNode }) {
  return (
    <ChatProvider url={url} userId={userId} token={fetchChatToken}>
      {children}
    </ChatProvider>
  );
}
