import * as RadixDialog from "@radix-ui/react-dialog";
import { type ReactNode, useState } from "react";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";

/** A modal dialog: it keeps the focus inside and gives it back afterwards. Esc and a click outside close it. */
export function Dialog({
  title,
  description,
  onClose,
  children,
  testId,
}: {
  title: string;
  /** A sentence under the title. */
  description?: string;
  onClose: () => void;
  children: ReactNode;
  testId: string;
}) {
  const { t } = useI18n();
  const [opener] = useState(() => document.activeElement);
  return (
    <RadixDialog.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <RadixDialog.Portal>
        {/* Radix's own overlay would inject a style sheet, which the page's policy forbids. */}
        <div className="dialog-backdrop" />
        <RadixDialog.Content
          className="dialog"
          data-testid={testId}
          {...(description === undefined ? { "aria-describedby": undefined } : {})}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            const isLost = document.activeElement === document.body || document.activeElement === null;
            if (isLost && opener instanceof HTMLElement) opener.focus();
          }}
        >
          <header className="dialog-bar">
            <RadixDialog.Title>{title}</RadixDialog.Title>
            <RadixDialog.Close asChild>
              <button type="button" className="icon-button" aria-label={t.close} data-testid="dialog-close">
                <Icon name="close" />
              </button>
            </RadixDialog.Close>
          </header>
          {description !== undefined && (
            <RadixDialog.Description className="dialog-text">{description}</RadixDialog.Description>
          )}
          {children}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}
