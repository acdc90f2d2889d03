import type { KeyboardEvent } from "react";
import { useInboxSelector } from "../../client/react/index.ts";
import type { DemoUser } from "../../dev/demo-users.ts";
import { Avatar } from "./avatar.tsx";
import { useListConnection } from "./connectivity.ts";
import { ConversationList } from "./conversation-list.tsx";
import { reasonText } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { PreferenceButtons } from "./preference-buttons.tsx";
import { chooseUser, hrefOf } from "./route.ts";
import { useMedia } from "./use-media.ts";

/** As in the style sheet of narrow windows. */
const NARROW = "(max-width: 720px)";

/** Who I am, my conversations, and the way to a second window. */
export function Sidebar({
  user,
  openId,
  readingId,
  onCreate,
  onSettings,
}: {
  user: DemoUser;
  openId: string | null;
  readingId: string | null;
  onCreate: () => void;
  onSettings: () => void;
}) {
  const { t } = useI18n();
  // On a phone the list is all there is, until a conversation is opened over it.
  const isAlone = useMedia(NARROW) && openId === null;
  return (
    <div className="sidebar" role={isAlone ? "main" : "complementary"}>
      <div className="sidebar-bar">
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
      </div>
      <InvisibleNote onSettings={onSettings} />
      <div className="sidebar-title">
        <h2>{t.conversations}</h2>
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
      <CutOffNote />
      <nav className="sidebar-list" aria-label={t.conversations} onKeyDown={moveFocus}>
        <ConversationList myId={user.id} openId={openId} readingId={readingId} onCreate={onCreate} />
      </nav>
      <div className="sidebar-foot">
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
      </div>
    </div>
  );
}

/** Said above the list as long as it is cut off; until it is loaded, the list says so itself. */
function CutOffNote() {
  const { t } = useI18n();
  const isLoaded = useInboxSelector(({ settings }) => settings !== null);
  const { connectivity, reason, isCutOff, tryNow } = useListConnection();
  if (!isCutOff || !isLoaded) return null;
  return (
    <div className="side-note" data-testid="inbox-status">
      <output>{connectivity === "closed" ? reasonText(reason, t) : t.reconnecting}</output>
      <button type="button" className="text-button" data-testid="list-try-now" onClick={tryNow}>
        {t.tryNow}
      </button>
    </div>
  );
}

/** Whoever hides is reminded of it, or would wonder why nobody sees them. */
function InvisibleNote({ onSettings }: { onSettings: () => void }) {
  const { t } = useI18n();
  const isInvisible = useInboxSelector(({ settings }) => settings?.invisible ?? false);
  if (!isInvisible) return null;
  return (
    <button
      type="button"
      className="side-note"
      aria-haspopup="dialog"
      data-testid="invisible-note"
      onClick={onSettings}
    >
      <Icon name="hidden" /> <span>{t.invisibleNote}</span> <strong>{t.change}</strong>
    </button>
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
