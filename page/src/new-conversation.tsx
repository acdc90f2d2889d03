import { type FormEvent, useState } from "react";
import { ChatApi, type ChatClient } from "../../client/index.ts";
import { DEMO_USERS, type DemoUser } from "../../dev/demo-users.ts";
import type { Conversation, ConversationType } from "../../protocol/entities.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { Avatar } from "./avatar.tsx";
import { Dialog } from "./dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";

/** Chooses among the demo users: one for a direct conversation, any number for a group. */
export function NewConversation({
  chat,
  user,
  onClose,
  onCreated,
}: {
  chat: ChatClient;
  user: DemoUser;
  onClose: () => void;
  onCreated: (conversation: Conversation) => void;
}) {
  const { t } = useI18n();
  const [type, setType] = useState<ConversationType>("direct");
  const [chosenIds, setChosenIds] = useState<readonly string[]>([]);
  const [title, setTitle] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const changeType = (next: ConversationType) => {
    setType(next);
    if (next === "direct") setChosenIds(chosenIds.slice(0, 1));
  };
  const toggle = (id: string) => {
    if (type === "direct") setChosenIds([id]);
    else
      setChosenIds(chosenIds.includes(id) ? chosenIds.filter((other) => other !== id) : [...chosenIds, id]);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (chosenIds.length === 0 || isBusy) return;
    setBusy(true);
    setError(null);
    try {
      const named = type === "group" && title.trim() ? { title: title.trim() } : {};
      onCreated(
        await new ChatApi(chat).createConversation({ type, participant_ids: [...chosenIds], ...named }),
      );
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };

  return (
    <Dialog title={t.newConversation} onClose={onClose} testId="new-conversation-dialog">
      <form className="form" onSubmit={submit}>
        <fieldset className="segments">
          <legend className="hidden">{t.kind}</legend>
          {(["direct", "group"] as const).map((kind) => (
            <label key={kind} className="segment">
              <input
                type="radio"
                name="type"
                className="hidden"
                checked={type === kind}
                data-testid={`type-${kind}`}
                onChange={() => changeType(kind)}
              />
              <span>{kind === "direct" ? t.direct : t.group}</span>
            </label>
          ))}
        </fieldset>
        {type === "group" && (
          <input
            className="field"
            placeholder={t.groupName}
            aria-label={t.groupName}
            maxLength={LIMITS.titleCharacters}
            value={title}
            data-testid="group-title"
            onChange={(event) => setTitle(event.target.value)}
          />
        )}
        <fieldset className="people">
          <legend className="hidden">{t.people}</legend>
          {DEMO_USERS.filter(({ id }) => id !== user.id).map((person) => (
            <label key={person.id} className="person">
              <input
                type={type === "direct" ? "radio" : "checkbox"}
                name="person"
                className="hidden"
                checked={chosenIds.includes(person.id)}
                data-testid={`choose-${person.id}`}
                onChange={() => toggle(person.id)}
              />
              <Avatar id={person.id} name={person.name} url={person.avatar_url} size="small" />
              <bdi>{person.name}</bdi>
              <span className="person-check">
                <Icon name="check" />
              </span>
            </label>
          ))}
        </fieldset>
        {error !== null && (
          <p className="form-error" role="alert">
            {describeError(error, t)}
          </p>
        )}
        <div className="form-buttons">
          <button type="button" className="button button-quiet" onClick={onClose}>
            {t.cancel}
          </button>
          <button
            type="submit"
            className="button"
            disabled={chosenIds.length === 0 || isBusy}
            data-testid="create-conversation"
          >
            {t.create}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
