import type { ChatClient } from "../../client/index.ts";
import type { Conversation, Message } from "../../protocol/entities.ts";
import type { Words } from "./i18n.ts";
import { messageText } from "./message-text.ts";
import { notify } from "./notifications.ts";
import { faceOf, personOf } from "./people.ts";
import { isReadAnywhere } from "./reading-lock.ts";
import { openConversation } from "./route.ts";

const BODY_CHARACTERS = 140;

/**
 * Announces messages that arrive while the page is hidden, one notification a conversation, until they are read. Several
 * tabs show one: the tag is the same.
 *
 * @returns ends it
 */
export function announce(chat: ChatClient, myId: string, t: Words): () => void {
  const shown = new Map<string, { notification: Notification; messageId: number }>();
  /** The newest message of each conversation; null before it is known what is no news. */
  let newest: Map<string, number> | null = null;
  const inbox = chat.joinInbox();
  if (inbox.state.status === "live") learn(inbox.state.conversations);

  function learn(conversations: readonly Conversation[]): void {
    newest = new Map(conversations.map(({ id, last_message_id }) => [id, last_message_id]));
  }

  const close = (id: string) => {
    shown.get(id)?.notification.close();
    shown.delete(id);
  };

  const show = async (conversation: Conversation, message: Message) => {
    const { id } = conversation;
    if (await isReadAnywhere(myId, id)) return;
    const notification = notify(faceOf(conversation, [], myId, t).name, {
      body: bodyOf(conversation, message, t),
      tag: `arcyou ${myId} ${id}`,
      icon: "./favicon.svg",
    });
    if (!notification) return;
    shown.set(id, { notification, messageId: message.id });
    notification.onclick = () => {
      window.focus();
      openConversation(id);
      close(id);
    };
  };

  const hear = (conversation: Conversation) => {
    const { id, last_message: message, last_message_id, me } = conversation;
    const known = newest?.get(id) ?? 0;
    if (!newest || last_message_id < known) return;
    newest.set(id, last_message_id);
    if (me.unread_count === 0) close(id);
    const isNews = last_message_id > known && me.unread_count > 0 && !isMuted(conversation);
    if (!isNews || !message || document.visibilityState === "visible") return;
    if (message.type === "user" && message.sender_id !== myId && !message.deleted_at)
      void show(conversation, message);
  };

  const endings = [
    chat.onInbox("ready", ({ conversations }) => {
      if (newest) conversations.forEach(hear);
      else learn(conversations);
    }),
    chat.onInbox("conversation.added", ({ conversation }) => hear(conversation)),
    chat.onInbox("conversation.updated", ({ conversation }) => hear(conversation)),
    chat.onInbox("conversation.removed", ({ conversation_id }) => close(conversation_id)),
    chat.onInbox("read.updated", ({ conversation_id, user_id, last_read_id }) => {
      const messageId = shown.get(conversation_id)?.messageId ?? Number.POSITIVE_INFINITY;
      if (user_id === myId && last_read_id >= messageId) close(conversation_id);
    }),
    () => inbox.leave(),
  ];
  return () => {
    for (const end of endings) end();
    for (const id of [...shown.keys()]) close(id);
  };
}

const isMuted = ({ me }: Conversation): boolean =>
  me.muted_until !== null && new Date(me.muted_until) > new Date();

function bodyOf({ type }: Conversation, { sender_id, body }: Message, t: Words): string {
  const text = messageText(body);
  const said = type === "group" ? `${personOf(sender_id, [], t).name}: ${text}` : text;
  const characters = [...said];
  return characters.length > BODY_CHARACTERS ? `${characters.slice(0, BODY_CHARACTERS - 1).join("")}…` : said;
}
