import { useStore } from "./external-store.ts";
import { useI18n } from "./i18n.ts";
import { notifications, turnNotifications } from "./notifications.ts";
import { Switch } from "./switch.tsx";

/** Whether new messages are announced while the page is hidden; the browser is asked on the click that wants it. */
export function NotificationSetting() {
  const { t } = useI18n();
  const state = useStore(notifications);
  const hints = {
    on: t.notificationsHint,
    off: t.notificationsHint,
    denied: t.notificationsDenied,
    unsupported: t.notificationsUnsupported,
  };
  return (
    <Switch
      label={t.notifications}
      hint={hints[state]}
      isOn={state === "on"}
      isDisabled={state === "denied" || state === "unsupported"}
      testId="setting-notifications"
      onChange={(isOn) => void turnNotifications(isOn)}
    />
  );
}
