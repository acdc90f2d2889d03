import { memo, type ReactNode } from "react";
import type { Message } from "../../protocol/entities.ts";
import { Avatar } from "./avatar.tsx";
import { clockTime, fullTime } from "./format.ts";
import { useI18n } from "./i18n.ts";
import { LinkifiedText } from "./linkified-text.tsx";
import { MessageEditor } from "./message-editor.tsx";
import { MessageMenu } from "./message-menu.tsx";
import { isOnlyEmoji, messageText } from "./message-text.ts";
import type { Person } from "./people.ts";
import type { Place } from "./timeline-rows.ts";

export interface MessageActions {
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
  actions,
  receipt,
}: {
  message: Message;
  sender: Person;
  isOwn: boolean;
  hasName: boolean;
  canDelete: boolean;
  isEditing: boolean;
  isTabStop: boolean;
  actions: MessageActions;
  /** Who has read it, under the one message that says so. */
  receipt: ReactNode;
} & Place) {
  const { t, language } = useI18n();
  const isDeleted = message.deleted_at !== null;
  const text = messageText(message.body);
  const at = new Date(message.created_at);
  const canEdit = isOwn && message.body?.text !== undefined;

  return (
    <li
      className="row"
      data-own={isOwn}
      data-first={isFirst}
      data-last={isLast}
      data-anchor
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
              {canDelete && !isDeleted && (
                <MessageMenu
                  messageId={message.id}
                  isTabStop={isTabStop}
                  onCopy={() => navigator.clipboard?.writeText(text)}
                  onEdit={canEdit ? () => actions.startEdit(message.id) : null}
                  onDelete={() => actions.askDelete(message.id)}
                />
              )}
            </div>
          </div>
        )}
        {receipt}
      </div>
    </li>
  );
});
