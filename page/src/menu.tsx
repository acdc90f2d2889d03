import { Content, Group, Item, Portal, Root, Separator, Trigger } from "@radix-ui/react-dropdown-menu";
import { type ComponentProps, type ReactNode, useRef, useState } from "react";
import { Icon, type IconName } from "./icons.tsx";

export interface MenuEntry {
  icon: IconName;
  label: string;
  onChoose: () => void;
  testId: string;
  isDanger?: boolean;
  /** It moves the focus itself: the button does not get it back. */
  movesFocus?: boolean;
}

/** Choices that stand beside each other above the others. */
export interface QuickChoices {
  label: string;
  choices: ReadonlyArray<Pick<MenuEntry, "label" | "onChoose" | "testId"> & { face: ReactNode }>;
}

/**
 * A button with three dots, and what it offers. What is chosen happens once the menu is gone and the button has the focus
 * again, so that whatever it opens can give the focus back to it.
 */
export function Menu({
  label,
  quick,
  entries,
  ...button
}: { label: string; quick?: QuickChoices; entries: readonly MenuEntry[] } & Omit<
  ComponentProps<"button">,
  "children" | "ref"
>) {
  const [isOpen, setOpen] = useState(false);
  /** The landmark or dialog that the menu belongs to: outside of any, nobody looks for it. */
  const [home, setHome] = useState<HTMLElement | null>(null);
  const chosen = useRef<Pick<MenuEntry, "onChoose" | "movesFocus"> | null>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const isByMouse = useRef(false);
  const change = (next: boolean) => {
    setHome(trigger.current?.closest<HTMLElement>("main, [role=dialog]") ?? null);
    setOpen(next);
  };
  const afterClose = (event: Event) => {
    const entry = chosen.current;
    if (!entry) return;
    chosen.current = null;
    event.preventDefault();
    if (!entry.movesFocus) trigger.current?.focus();
    entry.onChoose();
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
            {quick && (
              <>
                <Group className="menu-quick" aria-label={quick.label}>
                  {quick.choices.map((choice) => (
                    <Item
                      key={choice.testId}
                      className="menu-choice"
                      aria-label={choice.label}
                      data-testid={choice.testId}
                      onSelect={() => {
                        chosen.current = choice;
                      }}
                    >
                      {choice.face}
                    </Item>
                  ))}
                </Group>
                <Separator className="menu-line" />
              </>
            )}
            {entries.map((entry) => (
              <Item
                key={entry.testId}
                className={entry.isDanger ? "menu-item menu-danger" : "menu-item"}
                data-testid={entry.testId}
                onSelect={() => {
                  chosen.current = entry;
                }}
              >
                <Icon name={entry.icon} /> {entry.label}
              </Item>
            ))}
          </Content>
        </Portal>
      </Root>
    </div>
  );
}
