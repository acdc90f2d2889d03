import { type FormEvent, type KeyboardEvent, type RefObject, useEffect, useId, useState } from "react";
import { ChatError } from "../../client/index.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { AutosizeTextarea } from "./autosize-textarea.tsx";
import { describeError } from "./errors.ts";
import { number } from "./format.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { useEnter } from "./use-enter.ts";
import { read, write } from "./web-storage.ts";

/** The counter appears when this many characters are left. */
const COUNTER_FROM = 500;

/** Where a message is written. What is not sent yet survives a change of conversation and a reload. */
export function Composer({
  textarea,
  draftKey,
  isDisabled,
  replyTo,
  onCancelReply,
  onTyping,
  onSend,
  onEditLast,
}: {
  textarea: RefObject<HTMLTextAreaElement | null>;
  draftKey: string;
  isDisabled: boolean;
  /** The message that is answered. */
  replyTo: { name: string; text: string } | null;
  onCancelReply: () => void;
  /** With each change of the text: whether there is any. */
  onTyping: (isTyping: boolean) => void;
  onSend: (text: string) => Promise<unknown>;
  /** Arrow up in an empty field. */
  onEditLast: () => void;
}) {
  const { t, language } = useI18n();
  const [text, setText] = useState(() => read("session", draftKey) ?? "");
  const [error, setError] = useState<unknown>(null);
  const hintId = useId();
  const left = LIMITS.textCharacters - countCharacters(text);
  const canSend = !isDisabled && text.trim() !== "" && left >= 0;

  useEffect(() => focusUnlessTouch(textarea), [textarea]);

  const change = (next: string) => {
    setText(next);
    write("session", draftKey, next);
  };
  const submit = () => {
    if (!canSend) return;
    const sent = text.trim();
    change("");
    setError(null);
    onSend(sent).catch((caught: unknown) => {
      // Refusals show at the message; this one leaves no message to show it at.
      if (!(caught instanceof ChatError) || caught.code !== "PAYLOAD_TOO_LARGE") return;
      setError(caught);
      setText((current) => current || sent);
    });
  };
  const onEnter = useEnter(textarea, submit);
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === "ArrowUp" && text === "" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      onEditLast();
      return;
    }
    if (event.key === "Escape" && replyTo && !event.nativeEvent.isComposing) {
      event.preventDefault();
      onCancelReply();
      return;
    }
    onEnter(event);
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    submit();
    textarea.current?.focus();
  };

  return (
    <form className="composer" onSubmit={onSubmit}>
      {replyTo && (
        <div className="composer-reply" data-testid="replying">
          <Icon name="reply" />
          <span className="hidden">{t.answerTo(replyTo.name)}</span>
          <bdi className="quote-name" aria-hidden="true">
            {replyTo.name}
          </bdi>
          <bdi className="quote-text">{replyTo.text}</bdi>
          <button
            type="button"
            className="icon-button"
            aria-label={t.cancelReply}
            data-testid="cancel-reply"
            onClick={() => {
              onCancelReply();
              textarea.current?.focus();
            }}
          >
            <Icon name="close" />
          </button>
        </div>
      )}
      <div className="composer-box">
        <AutosizeTextarea
          ref={textarea}
          value={text}
          placeholder={t.placeholder}
          aria-label={t.placeholder}
          aria-describedby={hintId}
          aria-invalid={left < 0}
          enterKeyHint="send"
          disabled={isDisabled}
          data-testid="composer"
          onChange={(event) => {
            change(event.target.value);
            onTyping(event.target.value.trim() !== "");
          }}
          onKeyDown={onKeyDown}
        />
        <button
          type="submit"
          className="send-button"
          aria-label={t.send}
          title={t.send}
          disabled={!canSend}
          data-testid="send"
        >
          <Icon name="send" />
        </button>
      </div>
      <p className="composer-foot">
        <span id={hintId} className="composer-hint">
          {t.composerHint}
        </span>
        {error !== null && (
          <span className="form-error" role="alert">
            {describeError(error, t)}
          </span>
        )}
        {left < COUNTER_FROM && (
          <output className="counter" data-testid="counter" data-over={left < 0}>
            {left < 0 ? t.charactersOver(number(language, -left)) : t.charactersLeft(number(language, left))}
          </output>
        )}
      </p>
    </form>
  );
}

/** Where there is a keyboard anyway; on a phone it would push one up over the messages. */
export function focusUnlessTouch(textarea: RefObject<HTMLTextAreaElement | null>): void {
  if (window.matchMedia("(hover: hover)").matches) textarea.current?.focus();
}

/** Code points, as the server counts. */
function countCharacters(text: string): number {
  let count = 0;
  for (const _ of text.trim()) count += 1;
  return count;
}
