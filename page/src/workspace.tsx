import { useEffect, useState } from "react";
import { ChatClient } from "../../client/index.ts";
import type { DemoUser } from "../../dev/demo-users.ts";
import { ConversationView } from "./conversation-view.tsx";
import { useI18n } from "./i18n.ts";
import { Icon, Mark } from "./icons.tsx";
import { NewConversation } from "./new-conversation.tsx";
import { openConversation } from "./route.ts";
import { Sidebar } from "./sidebar.tsx";
import { useConversations } from "./use-conversations.ts";

/** Everything one user sees: the list and, beside it or over it on a phone, a conversation. */
export function Workspace({ user, conversationId }: { user: DemoUser; conversationId: string | null }) {
  const { t } = useI18n();
  const [chat] = useState(() => new ChatClient({ url: location.origin, token: async () => user.id }));
  const [isCreating, setCreating] = useState(false);
  const list = useConversations(chat);

  useEffect(() => {
    chat.connect();
    return () => chat.disconnect();
  }, [chat]);

  useEffect(() => {
    document.title = `${user.name} · arcyou chat`;
    return () => {
      document.title = "arcyou chat";
    };
  }, [user]);

  return (
    <div className="workspace" data-screen={conversationId ? "conversation" : "list"}>
      <Sidebar user={user} list={list} openId={conversationId} onCreate={() => setCreating(true)} />
      {conversationId ? (
        <ConversationView
          key={conversationId}
          chat={chat}
          user={user}
          conversationId={conversationId}
          list={list}
        />
      ) : (
        <main className="pane pane-empty">
          <div className="notice">
            <Mark />
            <h2>{t.choose}</h2>
            <p>{t.chooseHint}</p>
            <button type="button" className="button" onClick={() => setCreating(true)}>
              <Icon name="plus" /> {t.newConversation}
            </button>
          </div>
        </main>
      )}
      {isCreating && (
        <NewConversation
          chat={chat}
          user={user}
          onClose={() => setCreating(false)}
          onCreated={(conversation) => {
            setCreating(false);
            list.refresh();
            openConversation(conversation.id);
          }}
        />
      )}
    </div>
  );
}
