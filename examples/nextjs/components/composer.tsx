import type { ChatState } from "@arcyou/chat-client/react";
import { type KeyboardEvent, type SubmitEvent, useState } from "react";

interface Props extends Pick<ChatState, "send" | "setTyping"> {
  isDisabled: boolean;
}

export function Composer({ send, setTyping, isDisabled }: Props) {
  const [text, setText] = useState("");

  const submit = (event: SubmitEvent | KeyboardEvent) => {
    event.preventDefault();
    if (text.trim() === "") return;
    // Should it be refused, it stays in the list as failed, with the reason.
    send({ text }).catch(() => {});
    setText("");
  };

  return (
    <form className="composer" onSubmit={submit}>
      <textarea
        aria-label="Message"
        placeholder="Message"
        rows={2}
        maxLength={10_000}
        value={text}
        disabled={isDisabled}
        onChange={({ target }) => {
          setText(target.value);
          setTyping(target.value !== "");
        }}
        onBlur={() => setTyping(false)}
        onKeyDown={(event) => {
          // An Enter that ends a composition of Hangul or kana is not meant for the message.
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) submit(event);
        }}
      />
      <button type="submit" disabled={isDisabled || text.trim() === ""}>
        Send
      </button>
    </form>
  );
}
