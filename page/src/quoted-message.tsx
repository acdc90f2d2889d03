import { useEffect, useState } from "react";
import { useChatApi } from "../../client/react/index.ts";
import type { Message } from "../../protocol/entities.ts";
import { useI18n } from "./i18n.ts";
import { messageText } from "./message-text.ts";

/** The message that is answered, as a line; choosing it leads there. */
export function QuotedMessage({
  conversationId,
  id,
  loaded,
  nameOf,
  onOpen,
}: {
  conversationId: string;
  id: number;
  /** The message itself, where the timeline has it. */
  loaded: Message | undefined;
  nameOf: (userId: string) => string;
  onOpen: (id: number) => void;
}) {
  const { t } = useI18n();
  const message = useMessage(conversationId, id, loaded);
  const isDeleted = message?.deleted_at !== null && message !== undefined;
  return (
    <button
      type="button"
      className="quote"
      disabled={message === null}
      data-testid={`quote-${id}`}
      onClick={() => onOpen(id)}
    >
      <span className="hidden">{t.answer}: </span>
      {message && <bdi className="quote-name">{nameOf(message.sender_id)}</bdi>}
      <bdi className="quote-text">
        {message === undefined
          ? t.loading
          : message === null
            ? t.quoteGone
            : isDeleted
              ? t.deleted
              : messageText(message.body)}
      </bdi>
    </button>
  );
}

/** An older message is fetched. @returns undefined while it is on its way, null when it cannot be shown */
function useMessage(
  conversationId: string,
  id: number,
  loaded: Message | undefined,
): Message | null | undefined {
  const api = useChatApi();
  const [fetched, setFetched] = useState<Message | null>();
  const isLoaded = loaded !== undefined;
  useEffect(() => {
    if (isLoaded) return;
    let isCurrent = true;
    api.listMessages(conversationId, { before_id: id + 1, limit: 1 }).then(
      ({ data: [message] }) => isCurrent && setFetched(message?.id === id ? message : null),
      // It is asked for again when the row is next on screen.
      () => undefined,
    );
    return () => {
      isCurrent = false;
    };
  }, [api, conversationId, id, isLoaded]);
  return loaded ?? fetched;
}
