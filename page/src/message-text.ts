import type { Message } from "../../protocol/entities.ts";
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

/** What a system message tells. */
export function systemText(message: Message, _actor: string, t: Words): string {
  return messageText(message.body) || t.systemMessage;
}

const ONLY_EMOJI = /^(?:\p{RGI_Emoji}\s?){1,3}$/v;

/** One to three emoji and nothing else: shown large. */
export const isOnlyEmoji = (text: string): boolean => text.length < 64 && ONLY_EMOJI.test(text);
