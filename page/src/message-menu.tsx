import * as Menu from "@radix-ui/react-dropdown-menu";
import { type ReactNode, useRef } from "react";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";

/** Reactions that are one choice away. */
export const QUICK_REACTIONS = ["👍", "❤️", "😂", "🎉", "😮", "🙏"] as const;

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
  /** What is done once the menu is gone, and whether it moves the focus, which the menu gives back to its button. */
  const afterwards = useRef<{ act: () => void; movesFocus: boolean } | null>(null);
  const close = (act: () => void, movesFocus: boolean) => () => {
    afterwards.current = { act, movesFocus };
  };
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger asChild>
        <button
          type="button"
          className="menu-button"
          aria-label={t.messageMenu}
          tabIndex={isTabStop ? 0 : -1}
          data-menu-button
          data-testid={`message-menu-${messageId}`}
        >
          <Icon name="more" />
        </button>
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Content
          className="menu-list"
          aria-label={t.messageMenu}
          align="end"
          sideOffset={4}
          collisionPadding={8}
          onCloseAutoFocus={(event) => {
            const { act, movesFocus } = afterwards.current ?? {};
            afterwards.current = null;
            if (movesFocus) event.preventDefault();
            act?.();
          }}
        >
          <Menu.Group className="menu-reactions" aria-label={t.react}>
            {QUICK_REACTIONS.map((emoji) => (
              <Menu.Item
                key={emoji}
                className="menu-reaction"
                data-testid={`react-${emoji}`}
                onSelect={() => onReact(emoji)}
              >
                {emoji}
              </Menu.Item>
            ))}
            <Item testId="react-other" className="menu-reaction" onSelect={close(onReactOtherwise, false)}>
              <Icon name="plus" />
              <span className="hidden">{t.otherReaction}</span>
            </Item>
          </Menu.Group>
          <Menu.Separator className="menu-line" />
          <Item testId="reply" onSelect={close(onReply, true)}>
            {t.reply}
          </Item>
          {onEdit && (
            <Item testId="edit" onSelect={close(onEdit, true)}>
              {t.edit}
            </Item>
          )}
          <Item testId="copy" onSelect={onCopy}>
            {t.copy}
          </Item>
          {onDelete && (
            <Item testId="delete" className="menu-item menu-danger" onSelect={close(onDelete, false)}>
              {t.delete}
            </Item>
          )}
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}

function Item({
  testId,
  className = "menu-item",
  onSelect,
  children,
}: {
  testId: string;
  className?: string;
  onSelect: () => void;
  children: ReactNode;
}) {
  return (
    <Menu.Item className={className} data-testid={testId} onSelect={onSelect}>
      {children}
    </Menu.Item>
  );
}
