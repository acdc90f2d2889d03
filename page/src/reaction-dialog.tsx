import { type FormEvent, useState } from "react";
import { Dialog } from "./dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";

const ONE_EMOJI = /^\p{RGI_Emoji}$/v;
/** Makes a text symbol such as ❤ an emoji. */
const EMOJI_STYLE = "\ufe0f";

/** Takes any one emoji, from a keyboard that has them. */
export function ReactionDialog({
  onReact,
  onClose,
}: {
  onReact: (emoji: string) => Promise<unknown>;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const [text, setText] = useState("");
  const [error, setError] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const emoji = text.trim();
    if (!ONE_EMOJI.test(emoji) && !ONE_EMOJI.test(emoji + EMOJI_STYLE)) return setError(t.notOneEmoji);
    setError(null);
    try {
      await onReact(emoji);
      onClose();
    } catch (caught) {
      setError(describeError(caught, t));
    }
  };
  return (
    <Dialog title={t.react} description={t.reactHint} onClose={onClose} testId="reaction-dialog">
      <form className="rename" onSubmit={submit}>
        <input
          className="field"
          aria-label={t.emoji}
          aria-invalid={error !== null}
          placeholder="🏔️"
          maxLength={32}
          value={text}
          data-testid="reaction-input"
          onChange={(event) => setText(event.target.value)}
        />
        <button type="submit" className="button" disabled={text.trim() === ""} data-testid="reaction-send">
          {t.react}
        </button>
      </form>
      {error !== null && (
        <p className="form-error" role="alert">
          {error}
        </p>
      )}
    </Dialog>
  );
}
