import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type ChatState, useChat, useChatClient, useHistory } from "../../client/react/index.ts";
import type { DemoUser } from "../../dev/demo-users.ts";
import type { Message } from "../../protocol/entities.ts";
import { Announcements } from "./announcements.tsx";
import { Composer, focusUnlessTouch } from "./composer.tsx";
import { connectivityOf } from "./connectivity.ts";
import { ConversationBar } from "./conversation-bar.tsx";
import { ConversationDetails } from "./conversation-details.tsx";
import { DeleteDialog } from "./delete-dialog.tsx";
import { describeError } from "./errors.ts";
import { useI18n } from "./i18n.ts";
import type { MessageActions } from "./message-row.tsx";
import { messageText } from "./message-text.ts";
import { OfflineBanner } from "./offline-banner.tsx";
import { faceOf } from "./people.ts";
import { ReactionDialog } from "./reaction-dialog.tsx";
import { SearchPanel } from "./search-panel.tsx";
import { type Target, Timeline, type UnreadRange } from "./timeline.tsx";
import { useTimelineSource } from "./timeline-source.ts";
import { TypingLine } from "./typing-line.tsx";
import { usePeople } from "./use-people.ts";

/** One conversation, while it is on screen. */
export function ConversationView({
  user,
  conversationId,
  onReading,
}: {
  user: DemoUser;
  conversationId: string;
  /** Told which conversation is being read, and when none is. */
  onReading: (conversationId: string | null) => void;
}) {
  const { t } = useI18n();
  const chat = useChatClient();
  const state = useChat(conversationId);
  const [editingId, setEditingId] = useState<number | null>(null);
  const [deletingId, setDeletingId] = useState<number | null>(null);
  const [reactingId, setReactingId] = useState<number | null>(null);
  const [replyTo, setReplyTo] = useState<Message | null>(null);
  const [hasDetails, setDetails] = useState(false);
  const [isSearching, setSearching] = useState(false);
  const [isReading, setReading] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const composer = useRef<HTMLTextAreaElement>(null);
  const searchButton = useRef<HTMLButtonElement>(null);
  const { conversation, participants, messages, pending } = state;
  const { edit, addReaction, removeReaction, retry, discard, markRead, setTyping } = state;
  const connectivity = connectivityOf(state);
  const face = conversation && faceOf(conversation, participants, user.id, t);
  const person = usePeople(participants);
  const nameOf = useCallback((id: string) => person(id).name, [person]);

  const { target, historyId, jumpTo, toNewest } = useJumps(messages);
  const history = useHistory(conversationId, historyId);
  const source = useTimelineSource(state, useOlder(state.loadOlder), historyId === null ? null : history);
  const unreadAtFirst = useUnreadAtFirst(state);

  const actions = useMemo<MessageActions>(
    () => ({
      startEdit: setEditingId,
      endEdit: (id) => {
        setEditingId((current) => (current === id ? null : current));
        focusUnlessTouch(composer);
      },
      saveEdit: (id, text) => edit(id, { text }),
      askDelete: setDeletingId,
      // What became of it is in the state.
      retry: (tempId) => void retry(tempId).catch(() => undefined),
      discard: (tempId) => discard(tempId),
      reply: (message) => {
        setReplyTo(message);
        composer.current?.focus();
      },
      react: (id, emoji, isMine) => {
        setProblem(null);
        (isMine ? removeReaction(id, emoji) : addReaction(id, emoji)).catch(setProblem);
      },
      askReaction: setReactingId,
      jumpTo,
    }),
    [edit, retry, discard, addReaction, removeReaction, jumpTo],
  );
  useEffect(() => {
    onReading(isReading && connectivity !== "closed" ? conversationId : null);
    return () => onReading(null);
  }, [isReading, connectivity, onReading, conversationId]);
  useEffect(() => () => setTyping(false), [setTyping]);

  const send = (text: string) => {
    toNewest();
    setReplyTo(null);
    return state.send({ text }, replyTo ? { replyToId: replyTo.id } : {});
  };
  const editLast = () => {
    const last = messages.findLast(
      ({ sender_id, deleted_at, body }) => sender_id === user.id && !deleted_at && body?.text !== undefined,
    );
    if (last) setEditingId(last.id);
  };
  const closeSearch = () => {
    setSearching(false);
    searchButton.current?.focus();
  };
  const openHit = (id: number) => {
    jumpTo(id);
    // On a phone the panel lies over what was found.
    if (window.matchMedia("(max-width: 720px)").matches) setSearching(false);
  };

  return (
    <main className="pane" data-testid="conversation-view">
      <ConversationBar
        face={face}
        conversation={conversation}
        participants={participants}
        myId={user.id}
        connectivity={connectivity}
        isSearching={isSearching}
        searchButton={searchButton}
        onSearch={() => setSearching(!isSearching)}
        onDetails={() => setDetails(true)}
      />
      <OfflineBanner chat={chat} connectivity={connectivity} state={state} />
      {historyId !== null && !source.isNewest && (
        <div className="banner banner-quiet" data-testid="history-banner">
          <p>
            {history.error !== null && messages.length > 0
              ? describeError(history.error, t)
              : t.olderMessages}
          </p>
          {history.error !== null && (
            <button type="button" className="button button-small button-quiet" onClick={history.reload}>
              {t.retry}
            </button>
          )}
          <button type="button" className="button button-small" data-testid="to-newest" onClick={toNewest}>
            {t.backToNewest}
          </button>
        </div>
      )}
      {problem !== null && (
        <div className="banner" role="alert" data-testid="problem">
          <p>{describeError(problem, t)}</p>
          <button type="button" className="button button-small" onClick={() => setProblem(null)}>
            {t.close}
          </button>
        </div>
      )}
      <div className="pane-body">
        {conversation && (historyId === null || source.messages.length > 0) ? (
          <Timeline
            key={historyId ?? "newest"}
            source={source}
            conversation={conversation}
            participants={participants}
            myId={user.id}
            name={face?.name ?? ""}
            editingId={editingId}
            target={target}
            unreadAtFirst={unreadAtFirst}
            actions={actions}
            onRead={markRead}
            onReading={setReading}
            onNewest={toNewest}
          />
        ) : (
          <div className="timeline timeline-waiting">
            {connectivity !== "closed" && <output className="waiting">{t.loading}</output>}
          </div>
        )}
        {isSearching && (
          <SearchPanel
            conversationId={conversationId}
            nameOf={nameOf}
            onOpen={openHit}
            onClose={closeSearch}
          />
        )}
      </div>
      <TypingLine names={state.typing.map(nameOf)} />
      <Composer
        textarea={composer}
        draftKey={`draft ${user.id} ${conversationId}`}
        isDisabled={connectivity === "closed"}
        replyTo={replyTo && { name: nameOf(replyTo.sender_id), text: messageText(replyTo.body) }}
        onCancelReply={() => setReplyTo(null)}
        onTyping={setTyping}
        onSend={send}
        onEditLast={editLast}
      />
      <Announcements conversationId={conversationId} myId={user.id} nameOf={nameOf} />
      {deletingId !== null && (
        <DeleteDialog
          key={deletingId}
          onClose={() => setDeletingId((current) => (current === deletingId ? null : current))}
          onDelete={() => state.delete(deletingId)}
          onDeleted={() => focusUnlessTouch(composer)}
        />
      )}
      {reactingId !== null && (
        <ReactionDialog
          key={reactingId}
          onReact={(emoji) => addReaction(reactingId, emoji)}
          onClose={() => setReactingId(null)}
        />
      )}
      {hasDetails && conversation && (
        <ConversationDetails
          chat={chat}
          conversation={conversation}
          participants={participants}
          myId={user.id}
          onClose={() => setDetails(false)}
        />
      )}
      <output className="hidden">{pending.length > 0 ? t.waiting(pending.length) : ""}</output>
    </main>
  );
}

/** Which message is wanted on screen, and the history that is opened around it where it is too old to be loaded. */
function useJumps(messages: readonly Message[]) {
  const [target, setTarget] = useState<Target | null>(null);
  const [historyId, setHistoryId] = useState<number | null>(null);
  const first = useRef(Number.POSITIVE_INFINITY);
  first.current = messages[0]?.id ?? Number.POSITIVE_INFINITY;
  const wishes = useRef(0);
  const jumpTo = useCallback((id: number) => {
    wishes.current += 1;
    setTarget({ id, wish: wishes.current });
    setHistoryId(id >= first.current ? null : id);
  }, []);
  const toNewest = useCallback(() => {
    setTarget(null);
    setHistoryId(null);
  }, []);
  return { target, historyId, jumpTo, toNewest };
}

/** Loading older messages, and whether that failed last. */
function useOlder(loadOlder: () => Promise<void>) {
  const [hasFailed, setFailed] = useState(false);
  const load = useCallback(() => {
    setFailed(false);
    loadOlder().catch(() => setFailed(true));
  }, [loadOlder]);
  return { load, hasFailed };
}

/** What was unread when the conversation was first up to date. */
function useUnreadAtFirst({ status, conversation }: ChatState): UnreadRange | null {
  const [unread, setUnread] = useState<UnreadRange | null>(null);
  if (unread === null && status === "live" && conversation)
    setUnread({ afterId: conversation.me.last_read_id, toId: conversation.last_message_id });
  return unread;
}
