import type { PendingMessage } from "@arcyou/chat-client";
import type { ChatState } from "@arcyou/chat-client/react";

interface Props extends Pick<ChatState, "retry" | "discard"> {
  message: PendingMessage;
}

const WORDS = {
  saving: "Saving…",
  queued: "Waiting for the connection…",
  sending: "Sending…",
  failed: "Not sent",
};

export function PendingRow({ message, retry, discard }: Props) {
  const { temp_id, body, status, error } = message;
  return (
    <li className="message mine" data-pending={status}>
      <p className="bubble">{body.text}</p>
      <span className="details" role="status">
        {WORDS[status]}
        {error && `: ${error.message}`}
        {status === "failed" && (
          <>
            {" "}
            <button type="button" onClick={() => retry(temp_id).catch(() => {})}>
              Try again
            </button>{" "}
            <button type="button" onClick={() => discard(temp_id)}>
              Discard
            </button>
          </>
        )}
      </span>
    </li>
  );
}
