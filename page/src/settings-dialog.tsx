import { useEffect, useState } from "react";
import { ChatApi, type ChatClient, type UserSettings } from "../../client/index.ts";
import { Dialog } from "./dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";

/** What others may know of the user. A switch moves at once, and back if the service does not take it. */
export function SettingsDialog({
  chat,
  settings,
  onClose,
}: {
  chat: ChatClient;
  /** null while they are not known. */
  settings: UserSettings | null;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const [chosen, setChosen] = useState<Partial<UserSettings>>({});
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: what the service says is newer than what was chosen.
  useEffect(() => setChosen({}), [settings]);

  const change = async (changes: Partial<UserSettings>) => {
    if (isBusy) return;
    setChosen(changes);
    setBusy(true);
    setError(null);
    try {
      await new ChatApi(chat).updateSettings(changes);
    } catch (caught) {
      setChosen({});
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  const shown = settings && { ...settings, ...chosen };

  return (
    <Dialog title={t.settings} onClose={onClose} testId="settings-dialog">
      <Switch
        label={t.appearOffline}
        hint={t.appearOfflineHint}
        isOn={shown?.invisible}
        testId="setting-invisible"
        onChange={(invisible) => change({ invisible })}
      />
      <Switch
        label={t.readReceipts}
        hint={t.readReceiptsHint}
        isOn={shown?.read_receipts}
        testId="setting-receipts"
        onChange={(read_receipts) => change({ read_receipts })}
      />
      {error !== null && (
        <p className="form-error" role="alert" data-testid="settings-error">
          {t.settingsFailed} {describeError(error, t)}
        </p>
      )}
    </Dialog>
  );
}

function Switch({
  label,
  hint,
  isOn,
  testId,
  onChange,
}: {
  label: string;
  hint: string;
  /** undefined while it is not known. */
  isOn: boolean | undefined;
  testId: string;
  onChange: (isOn: boolean) => void;
}) {
  return (
    <label className="setting">
      <span>
        {label}
        <small>{hint}</small>
      </span>
      <input
        type="checkbox"
        role="switch"
        className="switch"
        checked={isOn ?? false}
        aria-checked={isOn ?? false}
        disabled={isOn === undefined}
        data-testid={testId}
        onChange={(event) => onChange(event.target.checked)}
      />
    </label>
  );
}
