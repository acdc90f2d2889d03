import { useState } from "react";
import type { DemoUser } from "../../dev/demo-users.ts";
import { ConversationView } from "./conversation-view.tsx";
import { useI18n } from "./i18n.ts";
import { Icon, Mark } from "./icons.tsx";
import { NewConversation } from "./new-conversation.tsx";
import { useReadingLock } from "./reading-lock.ts";
import { openConversation } from "./route.ts";
import { SettingsDialog } from "./settings-dialog.tsx";
import { Sidebar } from "./sidebar.tsx";
import { SkipLink } from "./skip-link.tsx";
import { StorageBanner } from "./storage-banner.tsx";
import { UnreadTitle } from "./unread-title.tsx";
import { useFocusReturn } from "./use-focus-return.ts";
import { useNotifications } from "./use-notifications.ts";

/** Everything one user sees: the list and, beside it or over it on a phone, a conversation. */
export function Workspace({ user, conversationId }: { user: DemoUser; conversationId: string | null }) {
  const { t } = useI18n();
  const [isCreating, setCreating] = useState(false);
  const [hasSettings, setSettings] = useState(false);
  /** The conversation that is being read: what arrives in it is no news, whatever the service has heard so far. */
  const [readingId, setReadingId] = useState<string | null>(null);

  useReadingLock(user.id, readingId);
  useNotifications(user.id);
  useFocusReturn(user.id, conversationId);

  return (
    <div className="frame">
      <header>
        <h1 className="hidden">arcyou chat</h1>
        <SkipLink />
      </header>
      <UnreadTitle name={user.name} readingId={readingId} />
      <StorageBanner />
      <div className="workspace" data-screen={conversationId ? "conversation" : "list"}>
        <Sidebar
          user={user}
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
      </div>
      {hasSettings && <SettingsDialog onClose={() => setSettings(false)} />}
      {isCreating && (
        <NewConversation
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
