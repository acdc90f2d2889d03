import { type FormEvent, useState } from "react";
import { ChatApi, type ChatClient } from "../../client/index.ts";
import type { Conversation, Participant } from "../../protocol/entities.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { Avatar } from "./avatar.tsx";
import { Dialog } from "./dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { WithOnlineDot } from "./online-dot.tsx";
import { personOf } from "./people.ts";

/** Who takes part; an admin of a group can rename it. */
export function ConversationDetails({
  chat,
  conversation,
  participants,
  myId,
  onClose,
}: {
  chat: ChatClient;
  conversation: Conversation;
  participants: readonly Participant[];
  myId: string;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const [title, setTitle] = useState(conversation.title ?? "");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const canRename = conversation.type === "group" && conversation.me.role === "admin";

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await new ChatApi(chat).renameConversation(conversation.id, title.trim() || null);
      onClose();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };

  return (
    <Dialog title={t.details} onClose={onClose} testId="details-dialog">
      {canRename && (
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
          <button
            type="submit"
            className="button"
            disabled={isBusy || title.trim() === (conversation.title ?? "")}
            data-testid="rename"
          >
            {t.rename}
          </button>
        </form>
      )}
      {error !== null && (
        <p className="form-error" role="alert">
          {describeError(error, t)}
        </p>
      )}
      <ul className="people" aria-label={t.participants(participants.length)}>
        {participants.map(({ user_id, role, online }) => {
          const person = personOf(user_id, participants, t);
          return (
            <li key={user_id} className="person" data-testid={`participant-${user_id}`}>
              <WithOnlineDot isOnline={online && user_id !== myId} testId={`participant-online-${user_id}`}>
                <Avatar id={user_id} name={person.name} url={person.avatar_url} size="small" />
              </WithOnlineDot>
              <bdi>{person.name}</bdi>
              {user_id === myId && <span className="tag">{t.you}</span>}
              <span className="spacer" />
              {role === "admin" && conversation.type === "group" && <span className="tag">{t.admin}</span>}
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}
