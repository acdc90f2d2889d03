import { Content, Description, Portal, Root, Title } from "@radix-ui/react-dialog";
import { type ReactNode, useState } from "react";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";

/**
 * A modal dialog. It has no `Overlay` of Radix, because that one writes a style sheet into the page, which the page's
 * security policy refuses; nothing behind it can be scrolled anyway.
 */
export function Dialog({
  title,
  description,
  onClose,
  onBack,
  children,
  testId,
}: {
  title: string;
  description?: string;
  onClose: () => void;
  /** From a step back to the one before. */
  onBack?: (() => void) | undefined;
  children: ReactNode;
  testId: string;
}) {
  const { t } = useI18n();
  const [opener] = useState(() => document.activeElement);
  const giveFocusBack = (event: Event) => {
    event.preventDefault();
    // Whoever closed it may have sent the focus elsewhere.
    if (document.activeElement === document.body && opener instanceof HTMLElement) opener.focus();
  };
  return (
    <Root open onOpenChange={onClose}>
      <Portal>
        <div className="dialog-layer">
          <Content
            className="dialog"
            data-testid={testId}
            onCloseAutoFocus={giveFocusBack}
            {...(description === undefined ? { "aria-describedby": undefined } : {})}
          >
            <header className="dialog-bar">
              {onBack && (
                <button
                  type="button"
                  className="icon-button"
                  aria-label={t.backToDetails}
                  data-testid="dialog-back"
                  onClick={onBack}
                >
                  <Icon name="back" />
                </button>
              )}
              <Title>{title}</Title>
              <button
                type="button"
                className="icon-button"
                aria-label={t.close}
                data-testid="dialog-close"
                onClick={onClose}
              >
                <Icon name="close" />
              </button>
            </header>
            <div className="dialog-body">
              {description !== undefined && <Description className="dialog-text">{description}</Description>}
              {children}
            </div>
          </Content>
        </div>
      </Portal>
    </Root>
  );
}

/** Why what was asked for did not happen; nothing while it did. */
export function FormError({ text, testId }: { text: string | null; testId?: string }) {
  if (text === null) return null;
  return (
    <p className="form-error" role="alert" data-testid={testId}>
      {text}
    </p>
  );
}
