import { memo } from "react";
import type { PendingMessage } from "../../client/index.ts";
import type { Message } from "../../protocol/entities.ts";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { LinkifiedText } from "./linkified-text.tsx";
import { isOnlyEmoji, messageText } from "./message-text.ts";
import { QuotedMessage } from "./quoted-message.tsx";
import type { Place } from "./timeline-rows.ts";

/** A message of one's own on its way: waiting, being sent, or failed. */
export const PendingRow = memo(function PendingRow({
  pending,
  isFirst,
  isLast,
  conversationId,
  quoted,
  nameOf,
  onOpen,
  onRetry,
  onDiscard,
}: {
  pending: PendingMessage;
  conversationId: string;
  /** What it answers, where the timeline has that. */
  quoted: Message | undefined;
  nameOf: (userId: string) => string;
  onOpen: (id: number) => void;
  onRetry: (tempId: string) => void;
  onDiscard: (tempId: string) => void;
} & Place) {
  const { t } = useI18n();
  const text = messageText(pending.body);
  const isFailed = pending.status === "failed";
  return (
    <div
      className="row"
      data-own="true"
      data-first={isFirst}
      data-last={isLast}
      data-testid={`pending-${pending.temp_id}`}
      data-status={pending.status}
    >
      <div className="row-main">
        {pending.reply_to_id !== null && (
          <QuotedMessage
            conversationId={conversationId}
            id={pending.reply_to_id}
            loaded={quoted}
            nameOf={nameOf}
            onOpen={onOpen}
          />
        )}
        <div className="row-line">
          <p className={isOnlyEmoji(text) ? "bubble bubble-emoji" : "bubble"} dir="auto">
            <LinkifiedText text={text} />
          </p>
          {!isFailed && (
            <span className="meta meta-pending" title={pending.status === "queued" ? t.queued : t.sending}>
              <Icon name="clock" />
              <span className="hidden">{pending.status === "queued" ? t.queued : t.sending}</span>
            </span>
          )}
        </div>
        {isFailed && (
          <div className="failure" role="alert">
            <Icon name="alert" />
            <span>
              {t.failed}
              {pending.error ? ` · ${describeError(pending.error, t)}` : ""}
            </span>
            <button
              type="button"
              className="failure-button"
              data-testid={`retry-${pending.temp_id}`}
              onClick={() => onRetry(pending.temp_id)}
            >
              {t.resend}
            </button>
            <button
              type="button"
              className="failure-button failure-discard"
              data-testid={`discard-${pending.temp_id}`}
              onClick={() => onDiscard(pending.temp_id)}
            >
              {t.discard}
            </button>
          </div>
        )}
      </div>
    </div>
  );
});
