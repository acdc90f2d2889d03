import { useEffect, useState } from "react";
import type { UserSettings } from "../../client/index.ts";
import { useChatApi, useInboxSelector } from "../../client/react/index.ts";
import { Dialog, FormError } from "./dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { NotificationSetting } from "./notification-setting.tsx";
import { Switch } from "./switch.tsx";
import { useRequest } from "./use-request.ts";

/** What others may know of the user. A switch moves at once, and back if the service does not take it. */
export function SettingsDialog({ onClose }: { onClose: () => void }) {
  const { t } = useI18n();
  const api = useChatApi();
  const settings = useInboxSelector((inbox) => inbox.settings);
  const [chosen, setChosen] = useState<Partial<UserSettings>>({});
  const { isBusy, error, run } = useRequest();

  // biome-ignore lint/correctness/useExhaustiveDependencies: what the service says is newer than what was chosen.
  useEffect(() => setChosen({}), [settings]);

  const change = async (changes: Partial<UserSettings>) => {
    if (isBusy) return;
    setChosen(changes);
    if (!(await run(() => api.updateSettings(changes)))) setChosen({});
  };
  const shown = settings && { ...settings, ...chosen };

  return (
    <Dialog title={t.settings} onClose={onClose} testId="settings-dialog">
      <Switch
        label={t.appearOffline}
        hint={t.appearOfflineHint}
        isOn={shown?.invisible}
        testId="setting-invisible"
        onChange={(invisible) => void change({ invisible })}
      />
      <Switch
        label={t.readReceipts}
        hint={t.readReceiptsHint}
        isOn={shown?.read_receipts}
        testId="setting-receipts"
        onChange={(read_receipts) => void change({ read_receipts })}
      />
      <FormError
        text={error === null ? null : `${t.settingsFailed} ${describeError(error, t)}`}
        testId="settings-error"
      />
      <hr className="dialog-line" />
      <NotificationSetting />
    </Dialog>
  );
}
