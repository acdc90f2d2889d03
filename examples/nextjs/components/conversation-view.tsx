"use client";

import type { Participant } from "@arcyou/chat-client";
import { useChat, useUserId } from "@arcyou/chat-client/react";
import { useEffect, useState } from "react";
import { nameOf } from "@/lib/title";
import { Composer } from "./composer";
import { MessageRow, type ShownMessage } from "./message-row";
import { PendingRow } from "./pending-row";

interface Props {
  id: string;
  /** What the server rendered, shown until the conversation is known here. */
  before: { participants: readonly Participant[]; messages: readonly ShownMessage[] };
}

export function ConversationView({ id, before }: Props) {
  const chat = useChat(id);
  const userId = useUserId();
  const [failure, setFailure] = useState<string | null>(null);

  const isKnown = chat.conversation !== null;
  const { participants, messages } = isKnown ? chat : before;
  const others = participants.filter((person) => person.user_id !== userId);
  const names = new Map(participants.map((person) => [person.user_id, nameOf(person)]));
  const online = others.filter((person) => person.online);

  useReading(chat.last_message_id, chat.status === "live", chat.markRead);

  const loadOlder = () =>
    chat.loadOlder().then(
      () => setFailure(null),
      (error: Error) => setFailure(error.message),
    );

  return (
    <>
      <p className="presence">
        {online.length === 0 ? "Nobody else is online" : `Online: ${online.map(nameOf).join(", ")}`}
      </p>
      {chat.status === "closed" && (
        <p className="failure" role="alert">
          This conversation is closed ({chat.reason}).
        </p>
      )}
      <div className="timeline" data-status={chat.status}>
        <div>
          {chat.has_older && (
            <button type="button" className="older" disabled={chat.loading_older} onClick={loadOlder}>
              {chat.loading_older ? "Loading…" : "Load older messages"}
            </button>
          )}
          {failure && (
            <p className="failure" role="alert">
              {failure}
            </p>
          )}
          {messages.length === 0 && chat.pending.length === 0 && <p className="empty">Say hello.</p>}
          <ol className="messages" aria-label="Messages" aria-live="polite">
            {messages.map((message) => (
              <MessageRow
                key={message.id}
                message={message}
                name={names.get(message.sender_id) ?? "Somebody"}
                isMine={message.sender_id === userId}
                readBy={others.filter((person) => person.last_read_id >= message.id).length}
              />
            ))}
            {chat.pending.map((message) => (
              <PendingRow key={message.temp_id} message={message} retry={chat.retry} discard={chat.discard} />
            ))}
          </ol>
        </div>
      </div>
      <p className="typing" role="status">
        {chat.typing.length > 0 &&
          `${chat.typing.map((who) => names.get(who) ?? "Somebody").join(", ")} typing…`}
      </p>
      <Composer send={chat.send} setTyping={chat.setTyping} isDisabled={chat.status === "closed"} />
    </>
  );
}

/** What is shown to somebody who looks has been read. */
function useReading(lastMessageId: number, isLive: boolean, markRead: () => void): void {
  useEffect(() => {
    const read = () => {
      if (isLive && lastMessageId > 0 && document.visibilityState === "visible") markRead();
    };
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [lastMessageId, isLive, markRead]);
}
