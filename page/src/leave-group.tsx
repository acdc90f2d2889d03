import { ChatApi } from "../../client/index.ts";
import { ConfirmButtons } from "./confirm-buttons.tsx";
import type { GroupProps } from "./conversation-details.tsx";
import { FormError } from "./dialog.tsx";
import { groupError, rightsOf } from "./group-rights.ts";
import { useI18n } from "./i18n.ts";
import { closeConversation } from "./route.ts";
import { useRequest } from "./use-request.ts";

/** Asks once before the user loses sight of a group; somebody who may change it must stay. */
export function LeaveGroup({
  chat,
  conversation,
  participants,
  myId,
  onDone,
  onLeft,
}: GroupProps & { onLeft: () => void }) {
  const { t } = useI18n();
  const { isBusy, error, run } = useRequest();
  const { isOnlyAdmin } = rightsOf(conversation, participants, myId);
  const confirm = async () => {
    if (!(await run(() => new ChatApi(chat).removeParticipant(conversation.id, myId)))) return;
    onLeft();
    closeConversation();
  };
  if (isOnlyAdmin) {
    return (
      <>
        <p className="dialog-text" data-testid="leave-refused">
          {t.needsAdmin}
        </p>
        <div className="form-buttons">
          <button type="button" className="button button-quiet" onClick={onDone}>
            {t.backToDetails}
          </button>
        </div>
      </>
    );
  }
  return (
    <>
      <p className="dialog-text">{participants.length > 1 ? t.leaveHint : t.leaveLastHint}</p>
      <FormError text={groupError(error, t)} />
      <ConfirmButtons
        label={t.leave}
        isBusy={isBusy}
        testId="confirm-leave"
        onCancel={onDone}
        onConfirm={confirm}
      />
    </>
  );
}
