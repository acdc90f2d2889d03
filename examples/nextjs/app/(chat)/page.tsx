import type { Metadata } from "next";
import Link from "next/link";
import { LocalTime } from "@/components/local-time";
import { RefreshOnChange } from "@/components/refresh-on-change";
import { UnreadBadge } from "@/components/unread-badge";
import { chatOfUser } from "@/lib/chat-server";
import { requireUser } from "@/lib/require-user";
import { titleOf } from "@/lib/title";

export const metadata: Metadata = { title: "Conversations" };

export default async function ConversationsPage() {
  const user = await requireUser();
  const conversations = await listConversations(user.id);
  return (
    <main className="list">
      <RefreshOnChange />
      <h1>Conversations</h1>
      {conversations.length === 0 && <p className="empty">No conversations yet.</p>}
      <ul className="cards">
        {conversations.map(({ id, title, last_message, updated_at, me }) => (
          <li key={id}>
            <Link href={`/c/${id}`} className="card">
              <strong>{title}</strong>
              <LocalTime iso={updated_at} />
              <span className="preview">{last_message?.body?.text ?? "No messages"}</span>
              <UnreadBadge conversationId={id} before={me.unread_count} />
            </Link>
          </li>
        ))}
      </ul>
    </main>
  );
}

/** The newest 50. A conversation of two has no title of its own: it gets the other's name. */
async function listConversations(userId: string) {
  const chat = await chatOfUser();
  const reply = await chat.api.conversations.$get({ query: { limit: "50" } });
  const { data } = await reply.json();
  return Promise.all(
    data.map(async (conversation) => {
      if (conversation.title !== null) return { ...conversation, title: conversation.title };
      const people = await chat.api.conversations[":id"].participants.$get({
        param: { id: conversation.id },
      });
      return { ...conversation, title: titleOf(conversation, (await people.json()).data, userId) };
    }),
  );
}
