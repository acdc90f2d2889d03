import type { MouseEvent } from "react";
import type { Conversation, Message, Participant } from "../../protocol/entities.ts";
import { Avatar } from "./avatar.tsx";
import { listTime } from "./format.ts";
import { useI18n, type Words } from "./i18n.ts";
import { messageText, systemText } from "./message-text.ts";
import { faceOf, personOf } from "./people.ts";
import { hrefOf, openConversation } from "./route.ts";

/** One line of the list. */
export function ConversationItem({
  conversation,
  participants,
  myId,
  isOpen,
}: {
  conversation: Conversation;
  participants: readonly Participant[];
  myId: string;
  isOpen: boolean;
}) {
  const { t, language } = useI18n();
  const face = faceOf(conversation, participants, myId, t);
  const last = conversation.last_message;
  const at = new Date(last?.created_at ?? conversation.created_at);
  // What is on screen is being read, whatever the server has heard of it so far.
  const unreadCount = isOpen ? 0 : conversation.me.unread_count;

  const open = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    openConversation(conversation.id);
  };

  return (
    <li>
      <a
        className="conversation"
        href={hrefOf({ userId: myId, conversationId: conversation.id })}
        aria-current={isOpen ? "page" : undefined}
        data-testid={`conversation-${conversation.id}`}
        onClick={open}
      >
        <Avatar id={face.avatarId} name={face.avatarName} url={face.avatarUrl} shape={face.shape} />
        <span className="conversation-text">
          <span className="conversation-top">
            <bdi className="conversation-name">{face.name}</bdi>
            <time dateTime={at.toISOString()}>{listTime(language, t, at)}</time>
          </span>
          <span className="conversation-bottom">
            <bdi className="conversation-preview">
              {last ? preview(last, conversation, participants, myId, t) : t.noMessagesYet}
            </bdi>
            {unreadCount > 0 && (
              <span className="badge" data-testid={`unread-${conversation.id}`}>
                <span aria-hidden="true">{unreadCount > 99 ? "99+" : unreadCount}</span>
                <span className="hidden">{t.unread(unreadCount)}</span>
              </span>
            )}
          </span>
        </span>
      </a>
    </li>
  );
}

function preview(
  last: Message,
  { type }: Conversation,
  participants: readonly Participant[],
  myId: string,
  t: Words,
): string {
  if (last.type === "system") return systemText(last, (id) => personOf(id, participants, t).name, t);
  const text = last.deleted_at ? t.deleted : messageText(last.body);
  if (last.sender_id === myId) return t.yourPreview(text);
  return type === "group" ? `${personOf(last.sender_id, participants, t).name}: ${text}` : text;
}
