import type { Participant, Role } from "../../protocol/entities.ts";
import { Avatar } from "./avatar.tsx";
import { useI18n } from "./i18n.ts";
import { Menu, type MenuEntry } from "./menu.tsx";
import { WithOnlineDot } from "./online-dot.tsx";
import { personOf } from "./people.ts";

/** One of those who take part. */
export function ParticipantRow({
  participant,
  participants,
  isMe,
  isGroup,
  canManage,
  isOnlyAdmin,
  onRole,
  onRemove,
}: {
  participant: Participant;
  participants: readonly Participant[];
  isMe: boolean;
  isGroup: boolean;
  canManage: boolean;
  /** Whether the user is the only one who may change anything. */
  isOnlyAdmin: boolean;
  onRole: (role: Role) => void;
  onRemove: () => void;
}) {
  const { t } = useI18n();
  const { user_id, role, online } = participant;
  const person = personOf(user_id, participants, t);
  const isOnline = online && !isMe;
  const entries: MenuEntry[] = [];
  if (canManage && role === "member")
    entries.push({
      icon: "admin",
      label: t.makeAdmin,
      onChoose: () => onRole("admin"),
      testId: `make-admin-${user_id}`,
    });
  if (canManage && role === "admin" && !(isMe && isOnlyAdmin))
    entries.push({
      icon: "member",
      label: isMe ? t.stopBeingAdmin : t.makeMember,
      onChoose: () => onRole("member"),
      testId: `make-member-${user_id}`,
    });
  if (canManage && !isMe)
    entries.push({
      icon: "removePerson",
      label: t.removeFromGroup,
      onChoose: onRemove,
      testId: `remove-${user_id}`,
      isDanger: true,
    });
  return (
    <li className="person" data-testid={`participant-${user_id}`}>
      <WithOnlineDot isOnline={isOnline} testId={`participant-online-${user_id}`}>
        <Avatar id={user_id} name={person.name} url={person.avatar_url} size="small" />
      </WithOnlineDot>
      <span className="person-name">
        <bdi>{person.name}</bdi>
        {!isMe && <small aria-hidden={isOnline}>{isOnline ? t.online : t.notOnline}</small>}
      </span>
      {isMe && <span className="tag">{t.you}</span>}
      {role === "admin" && isGroup && <span className="tag">{t.admin}</span>}
      {entries.length > 0 && (
        <Menu
          label={t.participantMenu(person.name)}
          entries={entries}
          data-testid={`participant-menu-${user_id}`}
        />
      )}
    </li>
  );
}
