import { ChatApi } from "../../client/index.ts";
import { ConfirmButtons } from "./confirm-buttons.tsx";
import type { GroupProps } from "./conversation-details.tsx";
import { FormError } from "./dialog.tsx";
import { groupError } from "./group-rights.ts";
import { useI18n } from "./i18n.ts";
import { personOf } from "./people.ts";
import { useRequest } from "./use-request.ts";

/** Asks once before somebody loses sight of a group. */
export function RemovePerson({
  chat,
  conversation,
  participants,
  userId,
  onDone,
}: GroupProps & { userId: string }) {
  const { t } = useI18n();
  const { isBusy, error, run } = useRequest();
  const { name } = personOf(userId, participants, t);
  const confirm = async () => {
    if (await run(() => new ChatApi(chat).removeParticipant(conversation.id, userId))) onDone();
  };
  return (
    <>
      <p className="dialog-text">{t.removeHint(name)}</p>
      <FormError text={groupError(error, t)} />
      <ConfirmButtons
        label={t.remove}
        isBusy={isBusy}
        testId="confirm-remove"
        onCancel={onDone}
        onConfirm={confirm}
      />
    </>
  );
}
