import type { ReactNode } from "react";
import { useI18n } from "./i18n.ts";

/** An avatar, with a dot while its owner is online. */
export function WithOnlineDot({
  isOnline,
  testId,
  children,
}: {
  isOnline: boolean;
  testId: string;
  children: ReactNode;
}) {
  const { t } = useI18n();
  return (
    <span className="avatar-box">
      {children}
      {isOnline && (
        <span className="online-dot" data-testid={testId}>
          <span className="hidden">{t.online}</span>
        </span>
      )}
    </span>
  );
}
