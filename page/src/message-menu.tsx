import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";

/** Room that the open menu needs below its button and beside it, in pixels. */
const MENU_HEIGHT_PX = 150;
const MENU_WIDTH_PX = 180;

/**
 * What can be done with one message. Only one such button of a timeline is a Tab stop; the timeline
 * moves the focus between them with the arrow keys.
 */
export function MessageMenu({
  messageId,
  isTabStop,
  onCopy,
  onEdit,
  onDelete,
}: {
  messageId: number;
  isTabStop: boolean;
  onCopy: () => void;
  onEdit: (() => void) | null;
  onDelete: () => void;
}) {
  const { t } = useI18n();
  const [placement, setPlacement] = useState<"closed" | "below" | "above">("closed");
  const [side, setSide] = useState<"start" | "end">("end");
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const isOpen = placement !== "closed";

  useEffect(() => {
    if (!isOpen) return;
    root.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const onPointerDown = (event: PointerEvent) => {
      if (event.target instanceof Node && root.current?.contains(event.target)) return;
      setPlacement("closed");
    };
    document.addEventListener("pointerdown", onPointerDown);
    return () => document.removeEventListener("pointerdown", onPointerDown);
  }, [isOpen]);

  const open = () => {
    const { bottom = 0, right = 0 } = button.current?.getBoundingClientRect() ?? {};
    setSide(right < MENU_WIDTH_PX ? "start" : "end");
    const end = button.current?.closest("[role=log]")?.getBoundingClientRect().bottom ?? window.innerHeight;
    setPlacement(bottom + MENU_HEIGHT_PX > end ? "above" : "below");
  };
  const close = () => {
    setPlacement("closed");
    button.current?.focus();
  };
  const choose = (action: () => void) => {
    close();
    action();
  };
  const onMenuKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const index = items.findIndex((item) => item.matches(":focus"));
    event.stopPropagation();
    switch (event.key) {
      case "Escape":
        event.preventDefault();
        close();
        break;
      case "Tab":
        setPlacement("closed");
        break;
      case "ArrowDown":
      case "ArrowUp":
        event.preventDefault();
        items.at((index + (event.key === "ArrowDown" ? 1 : -1)) % items.length)?.focus();
        break;
      case "Home":
      case "End":
        event.preventDefault();
        items.at(event.key === "Home" ? 0 : -1)?.focus();
        break;
    }
  };

  return (
    <div ref={root} className="menu" data-open={isOpen}>
      <button
        ref={button}
        type="button"
        className="menu-button"
        aria-label={t.messageMenu}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        tabIndex={isTabStop ? 0 : -1}
        data-menu-button
        data-testid={`message-menu-${messageId}`}
        onClick={() => (isOpen ? close() : open())}
      >
        <Icon name="more" />
      </button>
      {isOpen && (
        <div
          className={`menu-list menu-${placement} menu-${side}`}
          role="menu"
          tabIndex={-1}
          aria-label={t.messageMenu}
          onKeyDown={onMenuKeyDown}
        >
          {onEdit && (
            <button
              type="button"
              role="menuitem"
              tabIndex={-1}
              data-testid="edit"
              onClick={() => choose(onEdit)}
            >
              {t.edit}
            </button>
          )}
          <button
            type="button"
            role="menuitem"
            tabIndex={-1}
            data-testid="copy"
            onClick={() => choose(onCopy)}
          >
            {t.copy}
          </button>
          <button
            type="button"
            role="menuitem"
            tabIndex={-1}
            className="menu-danger"
            data-testid="delete"
            onClick={() => choose(onDelete)}
          >
            {t.delete}
          </button>
        </div>
      )}
    </div>
  );
}
