import { flushSync } from "react-dom";
import { ConfirmButtons } from "./confirm-buttons.tsx";
import { Dialog, FormError } from "./dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { useRequest } from "./use-request.ts";

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
  const { isBusy, error, run } = useRequest();
  const confirm = async () => {
    if (!(await run(onDelete))) return;
    flushSync(onClose);
    onDeleted();
  };
  return (
    <Dialog title={t.deleteTitle} description={t.deleteHint} onClose={onClose} testId="delete-dialog">
      <FormError text={error === null ? null : describeError(error, t)} />
      <ConfirmButtons
        label={t.delete}
        isBusy={isBusy}
        testId="confirm-delete"
        onCancel={onClose}
        onConfirm={confirm}
      />
    </Dialog>
  );
}
