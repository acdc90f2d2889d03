import { type FormEvent, useRef, useState } from "react";
import { useChatApi } from "../../client/react/index.ts";
import { DEMO_USERS, type DemoUser } from "../../dev/demo-users.ts";
import type { Conversation, ConversationType } from "../../protocol/entities.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { Dialog, FormError } from "./dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { PeoplePicker } from "./people-picker.tsx";
import { useRequest } from "./use-request.ts";

/** Chooses among the demo users: one for a direct conversation, any number for a group. */
export function NewConversation({
  user,
  onClose,
  onCreated,
}: {
  user: DemoUser;
  onClose: () => void;
  onCreated: (conversation: Conversation) => void;
}) {
  const { t } = useI18n();
  const api = useChatApi();
  const [type, setType] = useState<ConversationType>("direct");
  const [chosenIds, setChosenIds] = useState<readonly string[]>([]);
  const [title, setTitle] = useState("");
  const [hasChosenNobody, setChosenNobody] = useState(false);
  const { isBusy, error, run } = useRequest();
  const wished = useRef({ wish: "", key: "" });

  const changeType = (next: ConversationType) => {
    setType(next);
    if (next === "direct") setChosenIds(chosenIds.slice(0, 1));
  };
  const choose = (ids: readonly string[]) => {
    setChosenIds(ids);
    setChosenNobody(false);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setChosenNobody(chosenIds.length === 0);
    if (chosenIds.length === 0) return;
    const named = type === "group" && title.trim() ? { title: title.trim() } : {};
    const input = { type, participant_ids: [...chosenIds], ...named };
    // The same wish again, after an answer that was lost, makes no second group.
    const wish = JSON.stringify(input);
    if (wished.current.wish !== wish) wished.current = { wish, key: newKey() };
    const { key } = wished.current;
    await run(async () => onCreated(await api.createConversation(input, { idempotencyKey: key })));
  };
  const problem = hasChosenNobody
    ? t.chooseSomebody
    : error === null
      ? null
      : `${t.notCreated} ${describeError(error, t)}`;

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
        <PeoplePicker
          people={DEMO_USERS.filter(({ id }) => id !== user.id)}
          isMultiple={type === "group"}
          chosenIds={chosenIds}
          onChange={choose}
        />
        <FormError text={problem} testId="create-error" />
        <div className="form-buttons">
          <button type="button" className="button button-quiet" onClick={onClose}>
            {t.cancel}
          </button>
          <button type="submit" className="button" aria-disabled={isBusy} data-testid="create-conversation">
            {isBusy ? t.working : t.create}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

// Not crypto.randomUUID: pages served over plain HTTP on a local network do not have it.
const newKey = (): string => crypto.getRandomValues(new Uint32Array(4)).join("-");
