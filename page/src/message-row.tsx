import { memo } from "react";
import type { Message } from "../../protocol/entities.ts";
import { Avatar } from "./avatar.tsx";
import { clockTime, fullTime } from "./format.ts";
import { useI18n } from "./i18n.ts";
import { LinkifiedText } from "./linkified-text.tsx";
import { MessageEditor } from "./message-editor.tsx";
import { MessageMenu } from "./message-menu.tsx";
import { isOnlyEmoji, messageText } from "./message-text.ts";
import type { Person } from "./people.ts";
import { QuotedMessage } from "./quoted-message.tsx";
import { Reactions } from "./reactions.tsx";
import { ReadReceipt } from "./read-receipt.tsx";
import type { Place } from "./timeline-rows.ts";

export interface MessageActions {
  reply(message: Message): void;
  react(id: number, emoji: string, isMine: boolean): void;
  /** With an emoji that is still to be chosen. */
  askReaction(id: number): void;
  /** Shows a message, wherever it is. */
  jumpTo(id: number): void;
  startEdit(id: number): void;
  endEdit(id: number): void;
  saveEdit(id: number, text: string): Promise<unknown>;
  askDelete(id: number): void;
  retry(tempId: string): void;
  discard(tempId: string): void;
}

/** A message that has its place in the conversation. */
export const MessageRow = memo(function MessageRow({
  message,
  sender,
  isOwn,
  isFirst,
  isLast,
  hasName,
  canDelete,
  isEditing,
  isTabStop,
  isTarget,
  quoted,
  myId,
  nameOf,
  actions,
  readers,
}: {
  message: Message;
  sender: Person;
  isOwn: boolean;
  hasName: boolean;
  canDelete: boolean;
  isEditing: boolean;
  isTabStop: boolean;
  /** Whether it was just jumped to. */
  isTarget: boolean;
  /** What it answers, where the timeline has that. */
  quoted: Message | undefined;
  myId: string;
  nameOf: (userId: string) => string;
  actions: MessageActions;
  /** Who has read it, of the one message that says so. */
  readers: readonly Person[];
} & Place) {
  const { t, language } = useI18n();
  const isDeleted = message.deleted_at !== null;
  const text = messageText(message.body);
  const at = new Date(message.created_at);
  const canEdit = isOwn && message.body?.text !== undefined;

  return (
    <div
      className="row"
      data-own={isOwn}
      data-first={isFirst}
      data-last={isLast}
      data-target={isTarget || undefined}
      data-testid={`message-${message.id}`}
      data-status={isDeleted ? "deleted" : "sent"}
    >
      {!isOwn && (
        <span className="row-avatar">
          {isFirst && <Avatar id={sender.id} name={sender.name} url={sender.avatar_url} size="small" />}
        </span>
      )}
      <div className="row-main">
        {isFirst && !isOwn && <bdi className={hasName ? "row-name" : "hidden"}>{sender.name}</bdi>}
        {isFirst && isOwn && <span className="hidden">{t.you}</span>}
        {message.reply_to_id !== null && !isDeleted && (
          <QuotedMessage
            conversationId={message.conversation_id}
            id={message.reply_to_id}
            loaded={quoted}
            nameOf={nameOf}
            onOpen={actions.jumpTo}
          />
        )}
        {isEditing && !isDeleted ? (
          <MessageEditor
            initialText={text}
            onSave={(next) => actions.saveEdit(message.id, next)}
            onClose={() => actions.endEdit(message.id)}
          />
        ) : (
          <div className="row-line">
            {isDeleted ? (
              <p className="bubble bubble-deleted">{t.deleted}</p>
            ) : (
              <p className={isOnlyEmoji(text) ? "bubble bubble-emoji" : "bubble"} dir="auto">
                <LinkifiedText text={text} />
              </p>
            )}
            <div className="row-side">
              <span className="meta">
                {message.edited_at && !isDeleted && <span data-testid="edited">{t.edited}</span>}
                <time
                  className={isLast ? undefined : "meta-time-inner"}
                  dateTime={message.created_at}
                  title={fullTime(language, at)}
                >
                  {clockTime(language, at)}
                </time>
              </span>
              {!isDeleted && (
                <MessageMenu
                  messageId={message.id}
                  isTabStop={isTabStop}
                  onReply={() => actions.reply(message)}
                  onReact={(emoji) => actions.react(message.id, emoji, hasMine(message, emoji, myId))}
                  onReactOtherwise={() => actions.askReaction(message.id)}
                  onCopy={() => void navigator.clipboard?.writeText(text)}
                  onEdit={canEdit ? () => actions.startEdit(message.id) : null}
                  onDelete={canDelete ? () => actions.askDelete(message.id) : null}
                />
              )}
            </div>
          </div>
        )}
        {!isDeleted && (
          <Reactions
            reactions={message.reactions}
            myId={myId}
            nameOf={nameOf}
            onToggle={(emoji, isMine) => actions.react(message.id, emoji, isMine)}
          />
        )}
        {readers.length > 0 && <ReadReceipt messageId={message.id} readers={readers} isGroup={hasName} />}
      </div>
    </div>
  );
});

const hasMine = ({ reactions }: Message, emoji: string, myId: string): boolean =>
  reactions.some((reaction) => reaction.emoji === emoji && reaction.user_ids.includes(myId));
