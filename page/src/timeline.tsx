import { defaultRangeExtractor, type Range, useVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  type ReactElement,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import type { Conversation, Message, Participant } from "../../protocol/entities.ts";
import { dayName, fullTime } from "./format.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { type MessageActions, MessageRow } from "./message-row.tsx";
import { systemText } from "./message-text.ts";
import { PendingRow } from "./pending-row.tsx";
import type { Person } from "./people.ts";
import { receiptOf } from "./receipts.ts";
import { type Lines, type Row, toRows } from "./timeline-rows.ts";
import type { TimelineSource } from "./timeline-source.ts";
import { usePeople } from "./use-people.ts";
import { useIsVisible } from "./use-visible.ts";

/** More messages are asked for when this much is left above or below, in pixels. */
const LOAD_WITHIN_PX = 800;
/** Closer to the end than this counts as reading the newest message, in pixels. */
const NEAR_END_PX = 64;
/** Height of what stands above the first row, in pixels; the style sheet gives it this. */
const TOP_PX = 44;
/** Heights of what was never on screen, in pixels. */
const ROW_PX = 44;
const LINE_PX = 46;

const NOBODY: readonly Person[] = [];

/** A message to be shown; each wish has a number of its own. */
export interface Target {
  id: number;
  wish: number;
}

/** Messages that were unread: behind `afterId`, up to `toId`. */
export interface UnreadRange {
  afterId: number;
  toId: number;
}

/** The messages of one conversation, oldest at the top. Only those near the screen are in the document. */
export function Timeline({
  source,
  conversation,
  participants,
  myId,
  name,
  editingId,
  target,
  unreadAtFirst,
  actions,
  onRead,
  onReading,
  onNewest,
}: {
  source: TimelineSource;
  conversation: Conversation;
  participants: readonly Participant[];
  myId: string;
  /** What the conversation is called, for the greeting in an empty one. */
  name: string;
  editingId: number | null;
  target: Target | null;
  /** What was unread when the conversation was opened; null until that is known. */
  unreadAtFirst: UnreadRange | null;
  actions: MessageActions;
  /** The newest message was before somebody's eyes. */
  onRead: (id: number) => void;
  /** Told whether the newest messages are before somebody's eyes. */
  onReading: (isReading: boolean) => void;
  /** Back from older messages to the newest. */
  onNewest: () => void;
}) {
  const { t } = useI18n();
  const { messages, pending, isNewest, hasOlder } = source;
  const scroller = useRef<HTMLDivElement>(null);

  const newFromId = useMemo(
    () => (unreadAtFirst ? firstNewId(messages, hasOlder, unreadAtFirst, myId) : null),
    [messages, hasOlder, unreadAtFirst, myId],
  );
  const rows = useMemo(
    () => toRows(messages, pending, myId, newFromId),
    [messages, pending, myId, newFromId],
  );
  const person = usePeople(participants);
  const nameOf = useCallback(
    (userId: string) => (userId === myId ? t.you : person(userId).name),
    [person, myId, t],
  );
  const receipt = useMemo(
    () => (isNewest ? receiptOf(messages, participants, myId) : null),
    [isNewest, messages, participants, myId],
  );
  // The same list until somebody else is in it, or its row would render with each message.
  const readerIds = JSON.stringify(receipt?.readerIds ?? []);
  const readers = useMemo(() => (JSON.parse(readerIds) as string[]).map(person), [readerIds, person]);

  const editingIndex = editingId === null ? -1 : rows.findIndex((row) => isRowOf(row, editingId));
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((index: number) => rows[index]?.key ?? index, [rows]),
    estimateSize: (index) => ROW_PX + (rows[index]?.day ? LINE_PX : 0) + (rows[index]?.isNew ? LINE_PX : 0),
    overscan: 12,
    paddingStart: TOP_PX,
    anchorTo: "end",
    followOnAppend: isNewest,
    scrollEndThreshold: NEAR_END_PX,
    // What is being edited keeps its text while it is scrolled away.
    rangeExtractor: useCallback(
      (range: Range) => {
        const shown = defaultRangeExtractor(range);
        if (editingIndex < 0 || shown.includes(editingIndex)) return shown;
        return [...shown, editingIndex].sort((a, b) => a - b);
      },
      [editingIndex],
    ),
  });

  const [isAtEnd, setAtEnd] = useState(true);
  const isEnd = isAtEnd && isNewest;
  const look = () => {
    if (scroller.current) setAtEnd(belowPx(scroller.current) < NEAR_END_PX);
    loadIfNear();
  };
  const loadIfNear = () => {
    const element = scroller.current;
    if (!element || source.loading || source.hasFailed || messages.length === 0) return;
    if (source.hasOlder && element.scrollTop < LOAD_WITHIN_PX) source.loadOlder();
    else if (source.hasNewer && belowPx(element) < LOAD_WITHIN_PX) source.loadNewer();
  };
  useEffect(loadIfNear);

  // The end stays in sight when there is less room, as with a keyboard on a phone.
  const isEndNow = useRef(isAtEnd);
  isEndNow.current = isAtEnd;
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => isEndNow.current && virtualizer.scrollToEnd());
    observer.observe(element);
    return () => observer.disconnect();
  }, [virtualizer]);

  // Where it begins: at what was asked for, at what is new, or at the end.
  const fulfilled = useRef(-1);
  const hasBegun = useRef(false);
  const hasShownNew = useRef(false);
  useLayoutEffect(() => {
    if (rows.length === 0) return;
    const isFirst = !hasBegun.current;
    hasBegun.current = true;
    if (target && target.wish !== fulfilled.current) {
      const index = rows.findIndex((row) => isRowOf(row, target.id));
      if (index < 0) return;
      fulfilled.current = target.wish;
      virtualizer.scrollToIndex(index, { align: "center" });
      return;
    }
    const newIndex = hasShownNew.current ? -1 : rows.findIndex(({ isNew }) => isNew);
    if (newIndex >= 0) {
      hasShownNew.current = true;
      // Known only once it is connected; whoever scrolled meanwhile is left alone.
      if (isFirst || isEndNow.current) virtualizer.scrollToIndex(newIndex, { align: "start" });
    } else if (isFirst) virtualizer.scrollToEnd();
  }, [rows, target, virtualizer]);

  // Sending brings one back to the end, wherever one was reading.
  const lastPendingId = pending.at(-1)?.temp_id;
  const previousPendingId = useRef(lastPendingId);
  useLayoutEffect(() => {
    if (lastPendingId === previousPendingId.current) return;
    previousPendingId.current = lastPendingId;
    if (lastPendingId !== undefined) virtualizer.scrollToEnd();
  }, [lastPendingId, virtualizer]);

  const newestId = messages.at(-1)?.id ?? 0;
  const [seenId, setSeenId] = useState(newestId);
  useEffect(() => {
    if (isEnd) setSeenId(newestId);
  }, [isEnd, newestId]);
  const isReading = useIsVisible() && isEnd;
  useEffect(() => {
    if (isReading && newestId > 0) onRead(newestId);
  }, [onRead, isReading, newestId]);
  useEffect(() => {
    onReading(isReading);
    return () => onReading(false);
  }, [onReading, isReading]);
  const newCount = isEnd ? 0 : countNew(messages, seenId, myId);

  const isGroup = conversation.type === "group";
  const isAdmin = isGroup && conversation.me.role === "admin";
  const tabStopId = messages.findLast(({ type, deleted_at }) => type === "user" && !deleted_at)?.id;
  const first = messages[0]?.id ?? 0;
  const quotedBy = (id: number | null): Message | undefined =>
    id === null ? undefined : messages[id - first];

  const renderRow = (row: Row): ReactElement => {
    switch (row.kind) {
      case "system":
        return (
          <p className="system" data-testid={`message-${row.message.id}`}>
            {systemText(row.message, (id) => person(id).name, t)}
          </p>
        );
      case "message":
        return (
          <MessageRow
            message={row.message}
            sender={person(row.message.sender_id)}
            isOwn={row.message.sender_id === myId}
            isFirst={row.isFirst}
            isLast={row.isLast}
            hasName={isGroup}
            canDelete={isAdmin || row.message.sender_id === myId}
            isEditing={editingId === row.message.id}
            isTabStop={tabStopId === row.message.id}
            isTarget={target?.id === row.message.id}
            quoted={quotedBy(row.message.reply_to_id)}
            myId={myId}
            nameOf={nameOf}
            actions={actions}
            readers={receipt?.messageId === row.message.id ? readers : NOBODY}
          />
        );
      case "pending":
        return (
          <PendingRow
            pending={row.pending}
            isFirst={row.isFirst}
            isLast={row.isLast}
            conversationId={conversation.id}
            quoted={quotedBy(row.pending.reply_to_id)}
            nameOf={nameOf}
            onOpen={actions.jumpTo}
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
        // Scrolling would be read out as news; what is news is said beside it.
        role="log"
        aria-live="off"
        aria-label={t.log}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard.
        tabIndex={0}
        data-testid="timeline"
        onScroll={look}
        onKeyDown={moveFocus}
      >
        <div className="timeline-content">
          {rows.length === 0 && !hasOlder ? (
            <div className="notice" data-testid="timeline-empty">
              <h2>{t.emptyTitle}</h2>
              <p>{isGroup ? t.emptyGroupHint : t.emptyHint(name)}</p>
            </div>
          ) : (
            <div className="rows-frame" style={{ height: virtualizer.getTotalSize() }}>
              <div className="timeline-top">
                <TopOfTimeline source={source} />
              </div>
              <ol className="rows">
                {virtualizer.getVirtualItems().map(({ key, index, start }) => {
                  const row = rows[index];
                  return (
                    row && (
                      <li
                        key={String(key)}
                        ref={virtualizer.measureElement}
                        className="row-slot"
                        data-index={index}
                        style={{ transform: `translateY(${start}px)` }}
                      >
                        <LinesAbove {...row} />
                        {renderRow(row)}
                      </li>
                    )
                  );
                })}
              </ol>
            </div>
          )}
        </div>
      </div>
      {!isEnd && (
        <button
          type="button"
          className={newCount > 0 ? "jump jump-new" : "jump"}
          aria-label={newCount > 0 ? undefined : t.toNewest}
          data-testid="jump-to-newest"
          data-count={newCount}
          onClick={isNewest ? () => virtualizer.scrollToEnd() : onNewest}
        >
          {newCount > 0 && <span>{t.newMessages(newCount)}</span>}
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

function LinesAbove({ day, isNew }: Lines) {
  const { t, language } = useI18n();
  return (
    <>
      {day && (
        <p className="day">
          <time dateTime={day.toISOString()} title={fullTime(language, day)}>
            {dayName(language, t, day)}
          </time>
        </p>
      )}
      {isNew && (
        <p className="new-line" data-testid="new-line">
          <span>{t.newFromHere}</span>
        </p>
      )}
    </>
  );
}

function TopOfTimeline({ source }: { source: TimelineSource }) {
  const { t } = useI18n();
  const { hasOlder, loading, hasFailed, loadOlder } = source;
  if (!hasOlder) return <p>{t.beginning}</p>;
  const isLoading = loading === "older" || loading === "first";
  return (
    <>
      {hasFailed && <span role="alert">{t.olderFailed} </span>}
      <button
        type="button"
        className="text-button"
        disabled={isLoading}
        data-testid="load-older"
        onClick={loadOlder}
      >
        {isLoading ? t.loading : hasFailed ? t.retry : t.loadOlder}
      </button>
    </>
  );
}

/** How much lies below what is on screen. */
const belowPx = ({ scrollHeight, scrollTop, clientHeight }: Element): number =>
  scrollHeight - scrollTop - clientHeight;

const isRowOf = (row: Row, id: number): boolean => "message" in row && row.message.id === id;

const isNews = ({ type, sender_id }: Message, myId: string): boolean => type === "user" && sender_id !== myId;

const countNew = (messages: readonly Message[], seenId: number, myId: string): number =>
  messages.filter((message) => message.id > seenId && isNews(message, myId)).length;

/** The first of them that somebody else wrote, if those before it are there. */
function firstNewId(
  messages: readonly Message[],
  hasOlder: boolean,
  { afterId, toId }: UnreadRange,
  myId: string,
): number | null {
  if (hasOlder && (messages[0]?.id ?? 0) > afterId + 1) return null;
  const found = messages.find((message) => message.id > afterId && isNews(message, myId));
  return found && found.id <= toId ? found.id : null;
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
