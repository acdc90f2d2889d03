import type { ChatClient, ConversationState } from "../../client/index.ts";
import { type Connectivity, useIsLastingOffline } from "./connectivity.ts";
import { reasonText } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { closeConversation } from "./route.ts";

/** Why nothing arrives, what happens with what is written meanwhile, and a button against waiting. */
export function OfflineBanner({
  chat,
  connectivity,
  state,
}: {
  chat: ChatClient;
  connectivity: Connectivity;
  state: ConversationState;
}) {
  const { t } = useI18n();
  const { reason, pending } = state;
  const isClosed = connectivity === "closed";
  if (!useIsLastingOffline(connectivity) && !isClosed) return null;
  const isGone = reason === "removed" || reason === "not_found" || reason === "deleted";
  const queuedCount = pending.filter(({ status }) => status !== "failed").length;

  // A connection that waits for its next attempt starts anew only after an end.
  const tryNow = () => {
    chat.disconnect();
    chat.connect();
  };

  return (
    <div className="banner" role={isClosed ? "alert" : undefined} data-testid="connection-banner">
      <p>
        {!isClosed && <strong>{t.offlineTitle} </strong>}
        {reasonText(reason, t)}{" "}
        {!isClosed &&
          (queuedCount > 0 ? (
            <span data-testid="queued-count" data-count={queuedCount}>
              {t.waitingHint(queuedCount)}
            </span>
          ) : (
            t.offlineHint
          ))}
      </p>
      {isGone ? (
        <button
          type="button"
          className="button button-small"
          data-testid="close-conversation"
          onClick={closeConversation}
        >
          {t.backToList}
        </button>
      ) : (
        <button type="button" className="button button-small" data-testid="try-now" onClick={tryNow}>
          {t.tryNow}
        </button>
      )}
    </div>
  );
}
