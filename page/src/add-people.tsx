import { type FormEvent, useState } from "react";
import { ChatApi } from "../../client/index.ts";
import { DEMO_USERS } from "../../dev/demo-users.ts";
import type { GroupProps } from "./conversation-details.tsx";
import { FormError } from "./dialog.tsx";
import { groupError } from "./group-rights.ts";
import { useI18n } from "./i18n.ts";
import { PeoplePicker } from "./people-picker.tsx";
import { useRequest } from "./use-request.ts";

/** Brings demo users into a group who are not in it. */
export function AddPeople({ chat, conversation, participants, onDone }: GroupProps) {
  const { t } = useI18n();
  const [chosenIds, setChosenIds] = useState<readonly string[]>([]);
  const { isBusy, error, run } = useRequest();
  const others = DEMO_USERS.filter(({ id }) => participants.every(({ user_id }) => user_id !== id));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (chosenIds.length === 0) return;
    if (await run(() => new ChatApi(chat).addParticipants(conversation.id, [...chosenIds]))) onDone();
  };
  // Who has come meanwhile can be seen in the list.
  if (others.length === 0 && !isBusy) return <p className="dialog-text">{t.everybodyIsIn}</p>;
  const visible = conversation.history_visibility === "beginning" ? t.newcomersSeeAll : t.newcomersSeeNew;
  return (
    <form className="form" onSubmit={submit}>
      <PeoplePicker people={others} isMultiple chosenIds={chosenIds} onChange={setChosenIds} />
      <p className="form-hint">{visible}</p>
      <FormError text={groupError(error, t)} />
      <div className="form-buttons">
        <button type="button" className="button button-quiet" onClick={onDone}>
          {t.cancel}
        </button>
        <button
          type="submit"
          className="button"
          disabled={chosenIds.length === 0 || isBusy}
          data-testid="confirm-add"
        >
          {isBusy ? t.working : t.add}
        </button>
      </div>
    </form>
  );
}
