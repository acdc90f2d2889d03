/** A row of either of the two schemas. */
export interface MessageRow {
  id: string;
  sender_id: string;
  temp_id: string | null;
  body: unknown;
  created_at: Date;
}

/** The same event as the service sends, so that all send as many bytes. */
export function messageEvent(conversationId: string, row: MessageRow) {
  const id = Number(row.id);
  return {
    type: "message.created",
    seq: id,
    message: {
      id,
      conversation_id: conversationId,
      sender_id: row.sender_id,
      temp_id: row.temp_id,
      type: "user",
      body: row.body,
      reply_to_id: null,
      reactions: [],
      created_at: row.created_at.toISOString(),
      edited_at: null,
      deleted_at: null,
      seq: id,
    },
  };
}
