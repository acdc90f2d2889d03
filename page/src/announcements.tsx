import { useEffect, useState } from "react";
import { useChatClient } from "../../client/react/index.ts";
import type { Message } from "../../protocol/entities.ts";
import { messageText } from "./message-text.ts";

/** Has screen readers say what others write, and nothing that scrolling or loading brings. */
export function Announcements({
  conversationId,
  myId,
  nameOf,
}: {
  conversationId: string;
  myId: string;
  nameOf: (userId: string) => string;
}) {
  const chat = useChatClient();
  const [last, setLast] = useState<Message | null>(null);
  useEffect(
    () =>
      chat.onMessage((message) => {
        const isHere = message.conversation_id === conversationId;
        if (isHere && message.type === "user" && message.sender_id !== myId) setLast(message);
      }),
    [chat, conversationId, myId],
  );
  return (
    <div className="hidden" aria-live="polite" data-testid="announcements">
      {last && (
        <p key={last.id}>
          {nameOf(last.sender_id)}: {messageText(last.body)}
        </p>
      )}
    </div>
  );
}
