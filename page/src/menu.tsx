import { Content, Item, Portal, Root, Trigger } from "@radix-ui/react-dropdown-menu";
import { type ComponentProps, useRef, useState } from "react";
import { Icon, type IconName } from "./icons.tsx";

export interface MenuEntry {
  icon: IconName;
  label: string;
  onChoose: () => void;
  testId: string;
  isDanger?: boolean;
}

/**
 * A button with three dots, and what it offers. What is chosen happens once the menu is gone and the button has the focus
 * again, so that whatever it opens can give the focus back to it.
 */
export function Menu({
  label,
  entries,
  ...button
}: { label: string; entries: readonly MenuEntry[] } & Omit<ComponentProps<"button">, "children" | "ref">) {
  const [isOpen, setOpen] = useState(false);
  /** The landmark or dialog that the menu belongs to: outside of any, nobody looks for it. */
  const [home, setHome] = useState<HTMLElement | null>(null);
  const chosen = useRef<(() => void) | null>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const isByMouse = useRef(false);
  const change = (next: boolean) => {
    setHome(trigger.current?.closest<HTMLElement>("main, [role=dialog]") ?? null);
    setOpen(next);
  };
  const afterClose = (event: Event) => {
    const act = chosen.current;
    if (!act) return;
    chosen.current = null;
    event.preventDefault();
    trigger.current?.focus();
    act();
  };
  return (
    <div className="menu" data-open={isOpen}>
      {/* Not modal: that would write a style sheet into the page, which its security policy refuses. */}
      <Root open={isOpen} onOpenChange={change} modal={false}>
        <Trigger
          {...button}
          ref={trigger}
          className="menu-button"
          aria-label={label}
          onPointerDown={(event) => {
            // A mouse opens it at once. A finger may be about to scroll: only its click opens it.
            isByMouse.current = event.pointerType === "mouse";
            if (!isByMouse.current) event.preventDefault();
          }}
          onClick={() => {
            if (!isByMouse.current) change(!isOpen);
            // What follows may be a click without a pointer, of a screen reader.
            isByMouse.current = false;
          }}
          onKeyDown={(event) => {
            // Arrows lead from one button to the next where there are several.
            if (event.key === "ArrowDown" && "data-menu-button" in button) event.preventDefault();
          }}
        >
          <Icon name="more" />
        </Trigger>
        <Portal container={home}>
          <Content
            className="menu-popup"
            align="end"
            sideOffset={4}
            collisionPadding={8}
            loop
            onCloseAutoFocus={afterClose}
          >
            {entries.map(({ icon, label: text, onChoose, testId, isDanger }) => (
              <Item
                key={testId}
                className={isDanger ? "menu-item menu-danger" : "menu-item"}
                data-testid={testId}
                onSelect={() => {
                  chosen.current = onChoose;
                }}
              >
                <Icon name={icon} /> {text}
              </Item>
            ))}
          </Content>
        </Portal>
      </Root>
    </div>
  );
}
