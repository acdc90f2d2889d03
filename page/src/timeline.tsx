import {
  type KeyboardEvent,
  type ReactElement,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { ConversationHandle, ConversationState } from "../../client/index.ts";
import { dayName, fullTime } from "./format.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { type MessageActions, MessageRow } from "./message-row.tsx";
import { systemText } from "./message-text.ts";
import { PendingRow } from "./pending-row.tsx";
import { type Person, personOf } from "./people.ts";
import { ReadReceipt } from "./read-receipt.tsx";
import { receiptOf } from "./receipts.ts";
import { type Row, toRows } from "./timeline-rows.ts";
import { useTimelineScroll } from "./use-timeline-scroll.ts";
import { useIsVisible } from "./use-visible.ts";

/** Older messages are asked for when this much is left above, in pixels. */
const LOAD_WITHIN_PX = 600;

/** The messages of one conversation, oldest at the top. */
export function Timeline({
  handle,
  state,
  myId,
  name,
  editingId,
  actions,
  onReading,
}: {
  handle: ConversationHandle;
  state: ConversationState;
  myId: string;
  /** What the conversation is called, for the greeting in an empty one. */
  name: string;
  editingId: number | null;
  actions: MessageActions;
  /** Told whether the newest messages are before somebody's eyes. */
  onReading: (isReading: boolean) => void;
}) {
  const { t, language } = useI18n();
  const { messages, pending, participants, conversation } = state;
  const scroller = useRef<HTMLDivElement>(null);
  const scroll = useTimelineScroll(scroller, state);
  const [hasLoadFailed, setLoadFailed] = useState(false);

  const rows = useMemo(() => toRows(messages, pending, myId), [messages, pending, myId]);
  const people = useMemo(() => {
    const known = new Map<string, Person>();
    for (const { sender_id } of messages) {
      if (!known.has(sender_id)) known.set(sender_id, personOf(sender_id, participants, t));
    }
    return known;
  }, [messages, participants, t]);

  const receipt = useMemo(() => receiptOf(messages, participants, myId), [messages, participants, myId]);
  const readers = useMemo(
    () => receipt?.readerIds.map((id) => personOf(id, participants, t)) ?? [],
    [receipt, participants, t],
  );

  const isGroup = conversation?.type === "group";
  const isAdmin = isGroup && conversation.me.role === "admin";
  const canDelete = (senderId: string) => senderId === myId || isAdmin;
  const tabStopId = messages.findLast(
    ({ sender_id, type, deleted_at }) => type === "user" && !deleted_at && canDelete(sender_id),
  )?.id;

  const loadOlder = async () => {
    setLoadFailed(false);
    try {
      await handle.loadOlder();
    } catch {
      setLoadFailed(true);
    }
  };
  const loadOlderIfNear = () => {
    const element = scroller.current;
    if (!element || hasLoadFailed || !state.has_older || state.loading_older || messages.length === 0) return;
    if (element.scrollTop < LOAD_WITHIN_PX) loadOlder();
  };
  useEffect(loadOlderIfNear);

  // Sending brings one back to the end, wherever one was reading.
  const lastPendingId = pending.at(-1)?.temp_id;
  useLayoutEffect(() => {
    if (lastPendingId !== undefined) scroll.scrollToEnd();
  }, [lastPendingId, scroll.scrollToEnd]);

  const newestId = messages.at(-1)?.id ?? 0;
  const [seenId, setSeenId] = useState(newestId);
  useEffect(() => {
    if (scroll.isAtEnd) setSeenId(newestId);
  }, [scroll.isAtEnd, newestId]);

  const isReading = useIsVisible() && scroll.isAtEnd;
  useEffect(() => {
    if (isReading && newestId > 0) handle.markRead(newestId);
  }, [handle, isReading, newestId]);
  useEffect(() => {
    onReading(isReading);
    return () => onReading(false);
  }, [onReading, isReading]);
  const newCount = scroll.isAtEnd
    ? 0
    : messages.filter(({ id, sender_id, type }) => id > seenId && type === "user" && sender_id !== myId)
        .length;

  // A page of history is no news: a screen reader must not read it out.
  const isQuiet = useSettling(state.loading_older || messages.length === 0);

  const renderRow = (row: Row): ReactElement => {
    switch (row.kind) {
      case "day":
        return (
          <li key={row.key} className="day">
            <time dateTime={row.date.toISOString()} title={fullTime(language, row.date)}>
              {dayName(language, t, row.date)}
            </time>
          </li>
        );
      case "system":
        return (
          <li key={row.key} className="system" data-anchor data-testid={`message-${row.message.id}`}>
            {systemText(row.message, (id) => (people.get(id) ?? personOf(id, participants, t)).name, t)}
          </li>
        );
      case "message":
        return (
          <MessageRow
            key={row.key}
            message={row.message}
            sender={people.get(row.message.sender_id) ?? personOf(row.message.sender_id, participants, t)}
            isOwn={row.message.sender_id === myId}
            isFirst={row.isFirst}
            isLast={row.isLast}
            hasName={isGroup}
            canDelete={canDelete(row.message.sender_id)}
            isEditing={editingId === row.message.id}
            isTabStop={tabStopId === row.message.id}
            actions={actions}
            receipt={
              receipt?.messageId === row.message.id && (
                <ReadReceipt messageId={row.message.id} readers={readers} isGroup={isGroup} />
              )
            }
          />
        );
      case "pending":
        return (
          <PendingRow
            key={row.key}
            pending={row.pending}
            isFirst={row.isFirst}
            isLast={row.isLast}
            onRetry={actions.retry}
            onDiscard={actions.discard}
          />
        );
    }
  };

  return (
    <div className="timeline">
      <div
        ref={scroller}
        className="timeline-scroller"
        role="log"
        aria-live={isQuiet ? "off" : "polite"}
        aria-relevant="additions"
        aria-label={t.log}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard.
        tabIndex={0}
        data-testid="timeline"
        onScroll={() => {
          scroll.onScroll();
          loadOlderIfNear();
        }}
        onKeyDown={moveFocus}
      >
        <div className="timeline-content">
          <div className="timeline-top">
            {state.has_older ? (
              <>
                {hasLoadFailed && <p role="alert">{t.olderFailed}</p>}
                <button
                  type="button"
                  className="text-button"
                  disabled={state.loading_older}
                  data-testid="load-older"
                  onClick={loadOlder}
                >
                  {state.loading_older ? t.loading : hasLoadFailed ? t.retry : t.loadOlder}
                </button>
              </>
            ) : (
              rows.length > 0 && <p>{t.beginning}</p>
            )}
          </div>
          {rows.length === 0 ? (
            <div className="notice" data-testid="timeline-empty">
              <h2>{t.emptyTitle}</h2>
              <p>{state.conversation?.type === "group" ? t.emptyGroupHint : t.emptyHint(name)}</p>
            </div>
          ) : (
            <ol className="rows">{rows.map(renderRow)}</ol>
          )}
        </div>
      </div>
      {!scroll.isAtEnd && (
        <button
          type="button"
          className={newCount > 0 ? "jump jump-new" : "jump"}
          aria-label={newCount > 0 ? undefined : t.toNewest}
          data-testid="jump-to-newest"
          data-count={newCount}
          onClick={scroll.scrollToEnd}
        >
          {newCount > 0 && <span>{t.newMessages(newCount)}</span>}
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

/** True while `isBusy` and a moment longer. */
function useSettling(isBusy: boolean): boolean {
  const [isSettling, setSettling] = useState(isBusy);
  useEffect(() => {
    if (isBusy) {
      setSettling(true);
      return;
    }
    const timer = setTimeout(() => setSettling(false), 500);
    return () => clearTimeout(timer);
  }, [isBusy]);
  return isBusy || isSettling;
}

/** From one message's menu button to the next by arrow keys. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  if (!(event.target instanceof HTMLElement) || !event.target.matches("[data-menu-button]")) return;
  const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-menu-button]")];
  const next = buttons[buttons.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
  event.preventDefault();
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
