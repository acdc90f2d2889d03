import { useI18n } from "./i18n.ts";

/** The two answers to a question whose yes cannot be taken back. */
export function ConfirmButtons({
  label,
  isBusy,
  testId,
  onCancel,
  onConfirm,
}: {
  label: string;
  isBusy: boolean;
  testId: string;
  onCancel: () => void;
  onConfirm: () => void;
}) {
  const { t } = useI18n();
  return (
    <div className="form-buttons">
      <button type="button" className="button button-quiet" data-testid="cancel" onClick={onCancel}>
        {t.cancel}
      </button>
      <button
        type="button"
        className="button button-danger"
        aria-disabled={isBusy}
        data-testid={testId}
        onClick={onConfirm}
      >
        {isBusy ? t.working : label}
      </button>
    </div>
  );
}
