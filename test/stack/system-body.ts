import type { MessageBody, SystemEvent } from "../../protocol/entities.ts";

/** A change of a conversation that a system message tells of. */
export interface ToldChange {
  op: string;
  /** Who is added or removed. */
  target?: string | undefined;
  title?: string | null | undefined;
}

/** What the system message about a change says; null where there is none. */
export function systemBody(actor: string, { op, target = "", title = null }: ToldChange): MessageBody | null {
  const body = (data: SystemEvent): MessageBody => ({ data });
  switch (op) {
    case "add":
      return body({ event: "participants_added", user_ids: [target] });
    case "remove":
      return body({ event: target === actor ? "participant_left" : "participant_removed", user_id: target });
    case "rename":
      return body({ event: "conversation_renamed", title });
    default:
      return null;
  }
}
