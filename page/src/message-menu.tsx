import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { Menu, type MenuEntry } from "./menu.tsx";

/** Reactions that are one choice away. */
const QUICK_REACTIONS = ["👍", "❤️", "😂", "🎉", "😮", "🙏"];

/**
 * What can be done with one message. Only one such button of a timeline is a Tab stop; the timeline
 * moves the focus between them with the arrow keys.
 */
export function MessageMenu({
  messageId,
  isTabStop,
  onReply,
  onReact,
  onReactOtherwise,
  onCopy,
  onEdit,
  onDelete,
}: {
  messageId: number;
  isTabStop: boolean;
  onReply: () => void;
  onReact: (emoji: string) => void;
  /** With an emoji that is not among the quick ones. */
  onReactOtherwise: () => void;
  onCopy: () => void;
  onEdit: (() => void) | null;
  onDelete: (() => void) | null;
}) {
  const { t } = useI18n();
  const choices = QUICK_REACTIONS.map((emoji) => ({
    label: emoji,
    face: emoji,
    onChoose: () => onReact(emoji),
    testId: `react-${emoji}`,
  }));
  const other = {
    label: t.otherReaction,
    face: <Icon name="plus" />,
    onChoose: onReactOtherwise,
    testId: "react-other",
  };
  const entries: Array<MenuEntry | null> = [
    { icon: "reply", label: t.reply, onChoose: onReply, testId: "reply", movesFocus: true },
    onEdit && { icon: "edit", label: t.edit, onChoose: onEdit, testId: "edit", movesFocus: true },
    { icon: "copy", label: t.copy, onChoose: onCopy, testId: "copy" },
    onDelete && { icon: "delete", label: t.delete, onChoose: onDelete, testId: "delete", isDanger: true },
  ];
  return (
    <Menu
      label={t.messageMenu}
      quick={{ label: t.react, choices: [...choices, other] }}
      entries={entries.filter((entry) => entry !== null)}
      tabIndex={isTabStop ? 0 : -1}
      data-menu-button
      data-testid={`message-menu-${messageId}`}
    />
  );
}
