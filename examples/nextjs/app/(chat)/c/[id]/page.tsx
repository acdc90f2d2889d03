import { ChatError } from "@arcyou/chat-client";
import type { Metadata } from "next";
import Link from "next/link";
import { notFound } from "next/navigation";
import { cache } from "react";
import { ConversationView } from "@/components/conversation-view";
import { chatOfUser } from "@/lib/chat-server";
import { requireUser } from "@/lib/require-user";
import { titleOf } from "@/lib/title";

interface Props {
  params: Promise<{ id: string }>;
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: (await loadConversation((await params).id)).title };
}

export default async function ConversationPage({ params }: Props) {
  const { id } = await params;
  const { title, participants, messages } = await loadConversation(id);
  return (
    <main className="conversation">
      <nav className="above">
        <Link href="/" aria-label="Back to all conversations">
          ←
        </Link>
        <h1>{title}</h1>
      </nav>
      <ConversationView key={id} id={id} before={{ participants, messages }} />
    </main>
  );
}

/** What the page shows before it is connected; asked for once, though the title needs it as well. */
const loadConversation = cache(async (id: string) => {
  const user = await requireUser();
  const { ":id": one } = (await chatOfUser()).api.conversations;
  const param = { id };
  try {
    const [conversation, participants, messages] = await Promise.all([
      one.$get({ param }).then((reply) => reply.json()),
      one.participants.$get({ param }).then((reply) => reply.json()),
      one.messages.$get({ param, query: { limit: "50" } }).then((reply) => reply.json()),
    ]);
    return {
      title: titleOf(conversation.data, participants.data, user.id),
      participants: participants.data,
      messages: messages.data,
    };
  } catch (error) {
    // There is none, the user takes no part in it, or the id is none.
    if (error instanceof ChatError && (error.status === 404 || error.status === 400)) notFound();
    throw error;
  }
});
