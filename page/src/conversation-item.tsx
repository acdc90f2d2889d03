import { type MouseEvent, memo, useRef } from "react";
import { useUnreadCount, useUserPresence } from "../../client/react/index.ts";
import type { Conversation, Message, Participant } from "../../protocol/entities.ts";
import { Avatar } from "./avatar.tsx";
import { listTime } from "./format.ts";
import { useI18n, type Words } from "./i18n.ts";
import { messageText, systemText } from "./message-text.ts";
import { WithOnlineDot } from "./online-dot.tsx";
import { faceOf, otherOf, personOf } from "./people.ts";
import { hrefOf, openConversation } from "./route.ts";
import { useParticipants } from "./use-participants.ts";
import { useSeen } from "./use-seen.ts";

/** One line of the list; it renders again only for what happens in its own conversation. */
export const ConversationItem = memo(function ConversationItem({
  conversation,
  myId,
  isOpen,
  isBeingRead,
  isCutOff,
}: {
  conversation: Conversation;
  myId: string;
  isOpen: boolean;
  /** What arrives in it is no news. */
  isBeingRead: boolean;
  /** Nobody can tell who is online. */
  isCutOff: boolean;
}) {
  const { t, language } = useI18n();
  const line = useRef<HTMLLIElement>(null);
  const participants = useParticipants(conversation, useSeen(line));
  const face = faceOf(conversation, participants, myId, t);
  const last = conversation.last_message;
  const at = new Date(last?.created_at ?? conversation.created_at);
  const isOnline = useUserPresence(otherOf(conversation, participants, myId) ?? "").online && !isCutOff;
  const unread = useUnreadCount(conversation.id);
  const unreadCount = isBeingRead ? 0 : unread;

  const open = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    openConversation(conversation.id);
  };

  return (
    <li ref={line}>
      <a
        className="conversation"
        href={hrefOf({ userId: myId, conversationId: conversation.id })}
        aria-current={isOpen ? "page" : undefined}
        data-testid={`conversation-${conversation.id}`}
        onClick={open}
      >
        <WithOnlineDot isOnline={isOnline} testId={`online-${conversation.id}`}>
          <Avatar id={face.avatarId} name={face.avatarName} url={face.avatarUrl} shape={face.shape} />
        </WithOnlineDot>
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
});

function preview(
  last: Message,
  { type }: Conversation,
  participants: readonly Participant[],
  myId: string,
  t: Words,
): string {
  if (last.type === "system") return systemText(last, (id) => personOf(id, participants, t).name, t);
  if (last.deleted_at) return t.deleted;
  const text = messageText(last.body);
  if (last.sender_id === myId) return t.yourPreview(text);
  return type === "group" ? `${personOf(last.sender_id, participants, t).name}: ${text}` : text;
}
