import { useState } from "react";
import { flushSync } from "react-dom";
import { Dialog } from "./dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";

/** Asks once, because a deleted message does not come back. */
export function DeleteDialog({
  onDelete,
  onDeleted,
  onClose,
}: {
  onDelete: () => Promise<unknown>;
  /** After the dialog is gone: the button that opened it is gone as well, and with it the focus. */
  onDeleted: () => void;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      await onDelete();
      flushSync(onClose);
      onDeleted();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  return (
    <Dialog title={t.deleteTitle} description={t.deleteHint} onClose={onClose} testId="delete-dialog">
      {error !== null && (
        <p className="form-error" role="alert">
          {describeError(error, t)}
        </p>
      )}
      <div className="form-buttons">
        <button type="button" className="button button-quiet" onClick={onClose}>
          {t.cancel}
        </button>
        <button
          type="button"
          className="button button-danger"
          disabled={isBusy}
          data-testid="confirm-delete"
          onClick={confirm}
        >
          {t.delete}
        </button>
      </div>
    </Dialog>
  );
}
