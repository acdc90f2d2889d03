"use client";

import { useChatClient } from "@arcyou/chat-client/react";
import { useRouter } from "next/navigation";
import { useEffect } from "react";

const QUIET_MS = 300;

/** Has the server render the page anew when conversations come, go or change. */
export function RefreshOnChange() {
  const chat = useChatClient();
  const router = useRouter();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      clearTimeout(timer);
      timer = setTimeout(() => router.refresh(), QUIET_MS);
    };
    const stops = [
      chat.onInbox("conversation.added", refresh),
      chat.onInbox("conversation.updated", refresh),
      chat.onInbox("conversation.removed", refresh),
    ];
    return () => {
      clearTimeout(timer);
      for (const stop of stops) stop();
    };
  }, [chat, router]);
  return null;
}
