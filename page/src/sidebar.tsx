import type { KeyboardEvent } from "react";
import type { DemoUser } from "../../dev/demo-users.ts";
import { Avatar } from "./avatar.tsx";
import { ConversationItem } from "./conversation-item.tsx";
import { describeError, reasonText } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { PreferenceButtons } from "./preference-buttons.tsx";
import { chooseUser, hrefOf } from "./route.ts";
import type { ConversationList } from "./use-inbox.ts";

/** Who I am, my conversations, and the way to a second window. */
export function Sidebar({
  user,
  list,
  openId,
  readingId,
  onCreate,
  onSettings,
}: {
  user: DemoUser;
  list: ConversationList;
  openId: string | null;
  readingId: string | null;
  onCreate: () => void;
  onSettings: () => void;
}) {
  const { t } = useI18n();
  return (
    <aside className="sidebar">
      <header className="sidebar-bar">
        <button
          type="button"
          className="me"
          title={t.switchUser}
          data-testid="switch-user"
          onClick={() => chooseUser(null)}
        >
          <Avatar id={user.id} name={user.name} url={user.avatar_url} />
          <span className="me-name">
            <bdi>{user.name}</bdi>
            <small>
              {t.switchUser} <Icon name="swap" />
            </small>
          </span>
        </button>
        <span className="spacer" />
        <PreferenceButtons />
      </header>
      <div className="sidebar-title">
        <h1>{t.conversations}</h1>
        {list.isCutOff && list.status === "ready" && (
          <output className="inbox-status" data-testid="inbox-status">
            {list.connectivity === "closed" ? reasonText(list.reason, t) : t.reconnecting}
          </output>
        )}
        <button
          type="button"
          className="icon-button icon-button-strong"
          aria-label={t.newConversation}
          title={t.newConversation}
          data-testid="new-conversation"
          onClick={onCreate}
        >
          <Icon name="plus" />
        </button>
      </div>
      <nav className="sidebar-list" aria-label={t.conversations} onKeyDown={moveFocus}>
        <ListContent user={user} list={list} openId={openId} readingId={readingId} onCreate={onCreate} />
      </nav>
      <footer className="sidebar-foot">
        <a
          className="second-window"
          href={hrefOf({ besideUserId: user.id })}
          target="_blank"
          rel="noopener"
          data-testid="second-window"
        >
          <Icon name="window" /> {t.openWindow}
        </a>
        <button
          type="button"
          className="icon-button"
          aria-label={t.settings}
          title={t.settings}
          aria-haspopup="dialog"
          data-testid="settings"
          onClick={onSettings}
        >
          <Icon name="settings" />
        </button>
      </footer>
    </aside>
  );
}

function ListContent({
  user,
  list,
  openId,
  readingId,
  onCreate,
}: {
  user: DemoUser;
  list: ConversationList;
  openId: string | null;
  readingId: string | null;
  onCreate: () => void;
}) {
  const { t } = useI18n();
  const isLoading = list.status === "loading";
  const failure = (list.error !== null || (isLoading && list.isCutOff)) && (
    <div className="list-error" role="alert" data-testid="list-error">
      <p>
        {t.listFailed} <span>{isLoading ? reasonText(list.reason, t) : describeError(list.error, t)}</span>
      </p>
      <button
        type="button"
        className="button button-quiet"
        data-testid="list-retry"
        onClick={isLoading ? list.tryNow : list.loadMore}
      >
        {t.retry}
      </button>
    </div>
  );
  if (isLoading) return failure || <ListSkeleton label={t.loading} />;
  return (
    <>
      {list.conversations.length === 0 && (
        <div className="list-empty" data-testid="list-empty">
          <h2>{t.noConversations}</h2>
          <p>{t.noConversationsHint}</p>
          <button type="button" className="button button-quiet" onClick={onCreate}>
            {t.newConversation}
          </button>
        </div>
      )}
      <ul className="conversations" data-testid="conversation-list">
        {list.conversations.map((conversation) => (
          <ConversationItem
            key={conversation.id}
            conversation={conversation}
            participants={list.participants.get(conversation.id) ?? []}
            myId={user.id}
            isOpen={conversation.id === openId}
            isOnline={list.isOnline}
            unreadCount={
              conversation.id === readingId ? 0 : (list.unread.get(conversation.id)?.unread_count ?? 0)
            }
          />
        ))}
      </ul>
      {failure}
      {list.hasMore && !failure && (
        <button type="button" className="text-button list-more" onClick={list.loadMore}>
          {t.showMore}
        </button>
      )}
    </>
  );
}

function ListSkeleton({ label }: { label: string }) {
  return (
    <output className="skeletons" aria-label={label}>
      {["a", "b", "c", "d", "e"].map((key) => (
        <span key={key} className="skeleton" />
      ))}
    </output>
  );
}

/** Arrow keys go from one conversation to the next. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>(".conversations a")];
  const index = links.findIndex((link) => link.matches(":focus"));
  const next = links[index + (event.key === "ArrowDown" ? 1 : -1)];
  if (index === -1 || !next) return;
  event.preventDefault();
  next.focus();
}
