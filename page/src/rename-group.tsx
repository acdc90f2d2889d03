import { type FormEvent, useState } from "react";
import { ChatApi, type ChatClient } from "../../client/index.ts";
import type { Conversation } from "../../protocol/entities.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { FormError } from "./dialog.tsx";
import { groupError } from "./group-rights.ts";
import { useI18n } from "./i18n.ts";
import { useRequest } from "./use-request.ts";

/** A group's name; an empty one takes it away. */
export function RenameGroup({
  chat,
  conversation,
  onRenamed,
}: {
  chat: ChatClient;
  conversation: Conversation;
  onRenamed: () => void;
}) {
  const { t } = useI18n();
  const [title, setTitle] = useState(conversation.title ?? "");
  const { isBusy, error, run } = useRequest();
  const isChanged = title.trim() !== (conversation.title ?? "");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!isChanged) return;
    if (await run(() => new ChatApi(chat).renameConversation(conversation.id, title.trim() || null)))
      onRenamed();
  };
  return (
    <form className="rename" onSubmit={submit}>
      <input
        className="field"
        aria-label={t.groupName}
        placeholder={t.groupName}
        maxLength={LIMITS.titleCharacters}
        value={title}
        data-testid="rename-title"
        onChange={(event) => setTitle(event.target.value)}
      />
      <button type="submit" className="button" disabled={isBusy || !isChanged} data-testid="rename">
        {isBusy ? t.saving : t.rename}
      </button>
      <FormError text={groupError(error, t)} />
    </form>
  );
}
