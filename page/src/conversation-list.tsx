import { useCallback, useEffect, useRef, useState } from "react";
import { useConversations } from "../../client/react/index.ts";
import { useListConnection } from "./connectivity.ts";
import { ConversationItem } from "./conversation-item.tsx";
import { describeError, reasonText } from "./errors.ts";
import { useI18n } from "./i18n.ts";

/** The user's conversations, newest activity first, and what there is instead of them. */
export function ConversationList({
  myId,
  openId,
  readingId,
  onCreate,
}: {
  myId: string;
  openId: string | null;
  /** The conversation that is being read. */
  readingId: string | null;
  onCreate: () => void;
}) {
  const { t } = useI18n();
  const { conversations, settings, has_more, loading_more, loadMore } = useConversations();
  const { reason, isCutOff, tryNow } = useListConnection();
  const [error, setError] = useState<unknown>(null);
  const showMore = useCallback(() => {
    setError(null);
    loadMore().catch(setError);
  }, [loadMore]);

  if (settings === null) {
    if (!isCutOff) return <Skeletons label={t.loading} />;
    return <ListError text={reasonText(reason, t)} onRetry={tryNow} />;
  }
  return (
    <>
      {conversations.length === 0 && (
        <div className="list-empty" data-testid="list-empty">
          <h3>{t.noConversations}</h3>
          <p>{t.noConversationsHint}</p>
          <button type="button" className="button button-quiet" onClick={onCreate}>
            {t.newConversation}
          </button>
        </div>
      )}
      <ul className="conversations" data-testid="conversation-list">
        {conversations.map((conversation) => (
          <ConversationItem
            key={conversation.id}
            conversation={conversation}
            myId={myId}
            isOpen={conversation.id === openId}
            isBeingRead={conversation.id === readingId}
            isCutOff={isCutOff}
          />
        ))}
      </ul>
      {error !== null && <ListError text={describeError(error, t)} onRetry={showMore} />}
      {has_more && error === null && <MoreConversations isLoading={loading_more} onShow={showMore} />}
    </>
  );
}

/** Asks for more by itself when it comes into sight. */
function MoreConversations({ isLoading, onShow }: { isLoading: boolean; onShow: () => void }) {
  const { t } = useI18n();
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    // Anew after each page: one that does not fill the screen is not enough.
    if (isLoading || !button.current) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) onShow();
    });
    observer.observe(button.current);
    return () => observer.disconnect();
  }, [isLoading, onShow]);
  return (
    <button
      ref={button}
      type="button"
      className="text-button list-more"
      aria-disabled={isLoading}
      data-testid="list-more"
      onClick={() => !isLoading && onShow()}
    >
      {isLoading ? t.loading : t.showMore}
    </button>
  );
}

function ListError({ text, onRetry }: { text: string; onRetry: () => void }) {
  const { t } = useI18n();
  return (
    <div className="list-error" role="alert" data-testid="list-error">
      <p>
        {t.listFailed} <span>{text}</span>
      </p>
      <button type="button" className="button button-quiet" data-testid="list-retry" onClick={onRetry}>
        {t.retry}
      </button>
    </div>
  );
}

function Skeletons({ label }: { label: string }) {
  return (
    <output className="skeletons" aria-label={label}>
      {["a", "b", "c", "d", "e"].map((key) => (
        <span key={key} className="skeleton" />
      ))}
    </output>
  );
}
