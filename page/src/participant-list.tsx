import { ChatApi } from "../../client/index.ts";
import type { Role } from "../../protocol/entities.ts";
import type { GroupProps } from "./conversation-details.tsx";
import { FormError } from "./dialog.tsx";
import { groupError, rightsOf } from "./group-rights.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { ParticipantRow } from "./participant-row.tsx";
import { RenameGroup } from "./rename-group.tsx";
import { useRequest } from "./use-request.ts";

/** Everybody with role and presence; what an admin may change stands beside it. */
export function ParticipantList({
  chat,
  conversation,
  participants,
  myId,
  onAdd,
  onLeave,
  onRemove,
  onClose,
}: Omit<GroupProps, "onDone"> & {
  onAdd: () => void;
  onLeave: () => void;
  onRemove: (userId: string) => void;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const { isBusy, error, run } = useRequest();
  const { canManage, canLeave, isOnlyAdmin } = rightsOf(conversation, participants, myId);
  const changeRole = (userId: string, role: Role) =>
    run(() => new ChatApi(chat).changeRole(conversation.id, userId, role));
  return (
    <>
      {canManage && <RenameGroup chat={chat} conversation={conversation} onRenamed={onClose} />}
      <div className="people-head">
        <h3>{t.participants(participants.length)}</h3>
        {canManage && (
          <button type="button" className="text-button with-icon" data-testid="add-people" onClick={onAdd}>
            <Icon name="addPerson" /> {t.addPeople}
          </button>
        )}
      </div>
      <FormError text={groupError(error, t)} testId="participants-error" />
      <ul className="people" aria-label={t.participants(participants.length)} aria-busy={isBusy}>
        {participants.map((participant) => (
          <ParticipantRow
            key={participant.user_id}
            participant={participant}
            participants={participants}
            isMe={participant.user_id === myId}
            isGroup={conversation.type === "group"}
            canManage={canManage}
            isOnlyAdmin={isOnlyAdmin}
            onRole={(role) => void changeRole(participant.user_id, role)}
            onRemove={() => onRemove(participant.user_id)}
          />
        ))}
      </ul>
      {canLeave && (
        <button
          type="button"
          className="text-button leave with-icon text-danger"
          data-testid="leave"
          onClick={onLeave}
        >
          <Icon name="leave" /> {t.leave}
        </button>
      )}
    </>
  );
}
