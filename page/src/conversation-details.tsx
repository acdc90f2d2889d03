import { useState } from "react";
import type { ChatClient } from "../../client/index.ts";
import type { Conversation, Participant } from "../../protocol/entities.ts";
import { AddPeople } from "./add-people.tsx";
import { Dialog } from "./dialog.tsx";
import { useI18n } from "./i18n.ts";
import { LeaveGroup } from "./leave-group.tsx";
import { ParticipantList } from "./participant-list.tsx";
import { RemovePerson } from "./remove-person.tsx";

export interface GroupProps {
  chat: ChatClient;
  conversation: Conversation;
  participants: readonly Participant[];
  myId: string;
  /** Back to the list of participants, after the step is done or given up. */
  onDone: () => void;
}

type Step = { name: "list" } | { name: "add" } | { name: "leave" } | { name: "remove"; userId: string };

/** Who takes part, and what may be changed about it: one step of it at a time. */
export function ConversationDetails({
  onClose,
  ...props
}: Omit<GroupProps, "onDone"> & { onClose: () => void }) {
  const { t } = useI18n();
  const [step, setStep] = useState<Step>({ name: "list" });
  const toList = () => setStep({ name: "list" });
  const group = { ...props, onDone: toList };
  const titles = { list: t.details, add: t.addPeople, leave: t.leaveTitle, remove: t.removeTitle };
  return (
    <Dialog
      title={titles[step.name]}
      onClose={onClose}
      onBack={step.name === "list" ? undefined : toList}
      testId="details-dialog"
    >
      {step.name === "list" && (
        <ParticipantList
          {...props}
          onClose={onClose}
          onAdd={() => setStep({ name: "add" })}
          onLeave={() => setStep({ name: "leave" })}
          onRemove={(userId) => setStep({ name: "remove", userId })}
        />
      )}
      {step.name === "add" && <AddPeople {...group} />}
      {step.name === "leave" && <LeaveGroup {...group} onLeft={onClose} />}
      {step.name === "remove" && <RemovePerson {...group} userId={step.userId} />}
    </Dialog>
  );
}
