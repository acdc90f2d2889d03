import type { Message, SystemEvent } from "../../protocol/entities.ts";
import type { Words } from "./i18n.ts";

/** A body, of a message or of one still to be sent. */
interface Body {
  text?: string;
  attachments?: readonly { name: string }[];
  data?: unknown;
}

/** What a body says as plain text; a body of data alone is shown as JSON. */
export function messageText(body: Body | null): string {
  if (!body) return "";
  if (body.text !== undefined) return body.text;
  if (body.attachments?.length) return body.attachments.map(({ name }) => name).join(", ");
  return body.data === undefined ? "" : JSON.stringify(body.data);
}

/** What a system message tells, with people by their names. */
export function systemText(
  { sender_id, body }: Message,
  nameOf: (userId: string) => string,
  t: Words,
): string {
  const actor = nameOf(sender_id);
  const event = body?.data;
  if (!isSystemEvent(event)) return body?.text ?? t.systemMessage;
  switch (event.event) {
    case "participants_added":
      return t.participantsAdded(actor, event.user_ids.map(nameOf));
    case "participant_removed":
      return t.participantRemoved(actor, nameOf(event.user_id));
    case "participant_left":
      return t.participantLeft(actor);
    case "conversation_renamed":
      return event.title === null ? t.titleRemoved(actor) : t.renamed(actor, event.title);
    default:
      // Of a newer service.
      event satisfies never;
      return t.systemMessage;
  }
}

const isSystemEvent = (data: unknown): data is SystemEvent =>
  typeof data === "object" && data !== null && "event" in data;

const ONLY_EMOJI = /^(?:\p{RGI_Emoji}\s?){1,3}$/v;

/** One to three emoji and nothing else: shown large. */
export const isOnlyEmoji = (text: string): boolean => text.length < 64 && ONLY_EMOJI.test(text);
