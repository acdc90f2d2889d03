import { useI18n } from "./i18n.ts";
import { Menu, type MenuEntry } from "./menu.tsx";

/**
 * What can be done with one message. Only one such button of a timeline is a Tab stop; the timeline
 * moves the focus between them with the arrow keys.
 */
export function MessageMenu({
  messageId,
  isTabStop,
  onReply,
  onReact,
  onCopy,
  onEdit,
  onDelete,
}: {
  messageId: number;
  isTabStop: boolean;
  onReply?: (() => void) | null;
  onReact?: (() => void) | null;
  onCopy: () => void;
  onEdit: (() => void) | null;
  onDelete: (() => void) | null;
}) {
  const { t } = useI18n();
  const entries: Array<MenuEntry | null | undefined> = [
    onReply && { icon: "reply", label: t.reply, onChoose: onReply, testId: "reply" },
    onReact && { icon: "react", label: t.react, onChoose: onReact, testId: "react" },
    onEdit && { icon: "edit", label: t.edit, onChoose: onEdit, testId: "edit" },
    { icon: "copy", label: t.copy, onChoose: onCopy, testId: "copy" },
    onDelete && { icon: "delete", label: t.delete, onChoose: onDelete, testId: "delete", isDanger: true },
  ];
  return (
    <Menu
      label={t.messageMenu}
      entries={entries.filter((entry) => !!entry)}
      tabIndex={isTabStop ? 0 : -1}
      data-menu-button
      data-testid={`message-menu-${messageId}`}
    />
  );
}
