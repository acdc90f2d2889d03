import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { LIMITS } from "../../protocol/limits.ts";
import { AutosizeTextarea } from "./autosize-textarea.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { useEnter } from "./use-enter.ts";

/** Stands in the place of a bubble while its text is changed. */
export function MessageEditor({
  initialText,
  onSave,
  onClose,
}: {
  initialText: string;
  onSave: (text: string) => Promise<unknown>;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const [text, setText] = useState(initialText);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const textarea = useRef<HTMLTextAreaElement>(null);
  const trimmed = text.trim();
  const canSave = trimmed !== "" && [...trimmed].length <= LIMITS.textCharacters && !isBusy;

  useEffect(() => {
    const element = textarea.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
    element?.scrollIntoView({ block: "nearest" });
  }, []);

  const save = async () => {
    if (!canSave) return;
    if (trimmed === initialText) return onClose();
    setBusy(true);
    setError(null);
    try {
      await onSave(trimmed);
      onClose();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  const onEnter = useEnter(textarea, save);
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === "Escape" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      onClose();
      return;
    }
    onEnter(event);
  };

  return (
    <div className="editor">
      <AutosizeTextarea
        ref={textarea}
        value={text}
        aria-label={t.editLabel}
        data-testid="edit-input"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="editor-foot">
        {error !== null ? (
          <span className="form-error" role="alert">
            {describeError(error, t)}
          </span>
        ) : (
          <span className="editor-hint">{isBusy ? t.saving : t.editHint}</span>
        )}
        <span className="spacer" />
        <button type="button" className="text-button" data-testid="edit-cancel" onClick={onClose}>
          {t.cancel}
        </button>
        <button
          type="button"
          className="button button-small"
          disabled={!canSave}
          data-testid="edit-save"
          onClick={save}
        >
          {t.save}
        </button>
      </div>
    </div>
  );
}
