import type { Message } from "@arcyou/chat-client";
import { memo } from "react";
import { LocalTime } from "./local-time";

/** What is shown of a message, from the server's REST call as from the hooks. */
export interface ShownMessage
  extends Pick<Message, "id" | "sender_id" | "created_at" | "edited_at" | "deleted_at"> {
  body: { text?: string } | null;
}

interface Props {
  message: ShownMessage;
  name: string;
  isMine: boolean;
  /** How many of the others have read it. */
  readBy: number;
}

export const MessageRow = memo(function MessageRow({ message, name, isMine, readBy }: Props) {
  return (
    <li className={isMine ? "message mine" : "message"} data-id={message.id}>
      {!isMine && <span className="sender">{name}</span>}
      <p className="bubble">{message.deleted_at === null ? message.body?.text : <i>Deleted</i>}</p>
      <span className="details">
        <LocalTime iso={message.created_at} />
        {message.edited_at !== null && " · edited"}
        {isMine && readBy > 0 && ` · read by ${readBy}`}
      </span>
    </li>
  );
});
