import { useEffect, useState } from "react";
import { useChatClient } from "../../client/react/index.ts";
import type { DemoUser } from "../../dev/demo-users.ts";
import { ConversationView } from "./conversation-view.tsx";
import { useI18n } from "./i18n.ts";
import { Icon, Mark } from "./icons.tsx";
import { NewConversation } from "./new-conversation.tsx";
import { openConversation } from "./route.ts";
import { SettingsDialog } from "./settings-dialog.tsx";
import { Sidebar } from "./sidebar.tsx";
import { useInbox } from "./use-inbox.ts";

/** Everything one user sees: the list and, beside it or over it on a phone, a conversation. */
export function Workspace({ user, conversationId }: { user: DemoUser; conversationId: string | null }) {
  const { t } = useI18n();
  const chat = useChatClient();
  const [isCreating, setCreating] = useState(false);
  const [hasSettings, setSettings] = useState(false);
  /** The conversation that is being read: what arrives in it is no news, whatever the service has heard so far. */
  const [readingId, setReadingId] = useState<string | null>(null);
  const list = useInbox(chat);
  const beingRead = readingId === null ? 0 : (list.unread.get(readingId)?.unread_count ?? 0);
  const unreadTotal = list.unreadTotal - beingRead;

  useEffect(() => {
    document.title = `${unreadTotal > 0 ? `(${unreadTotal}) ` : ""}${user.name} · arcyou chat`;
    return () => {
      document.title = "arcyou chat";
    };
  }, [user, unreadTotal]);

  return (
    <div className="workspace" data-screen={conversationId ? "conversation" : "list"}>
      <Sidebar
        user={user}
        list={list}
        openId={conversationId}
        readingId={readingId}
        onCreate={() => setCreating(true)}
        onSettings={() => setSettings(true)}
      />
      {conversationId ? (
        <ConversationView
          key={conversationId}
          user={user}
          conversationId={conversationId}
          onReading={setReadingId}
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
      {hasSettings && (
        <SettingsDialog chat={chat} settings={list.settings} onClose={() => setSettings(false)} />
      )}
      {isCreating && (
        <NewConversation
          chat={chat}
          user={user}
          onClose={() => setCreating(false)}
          onCreated={(conversation) => {
            setCreating(false);
            openConversation(conversation.id);
          }}
        />
      )}
    </div>
  );
}
