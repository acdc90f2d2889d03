import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { ChatClient, ConversationHandle } from "../../client/index.ts";
import type { DemoUser } from "../../dev/demo-users.ts";
import { Composer, focusUnlessTouch } from "./composer.tsx";
import { connectivityOf } from "./connectivity.ts";
import { ConversationBar } from "./conversation-bar.tsx";
import { ConversationDetails } from "./conversation-details.tsx";
import { DeleteDialog } from "./delete-dialog.tsx";
import { useI18n } from "./i18n.ts";
import type { MessageActions } from "./message-row.tsx";
import { OfflineBanner } from "./offline-banner.tsx";
import { faceOf, personOf } from "./people.ts";
import { Timeline } from "./timeline.tsx";
import { TypingLine } from "./typing-line.tsx";

interface Props {
  chat: ChatClient;
  user: DemoUser;
  conversationId: string;
  /** Told which conversation is being read, and when none is. */
  onReading: (conversationId: string | null) => void;
}

/** Joins a conversation while it is on screen, and again when whoever was removed from it is added. */
export function ConversationView(props: Props) {
  const { chat, conversationId } = props;
  const [handle, setHandle] = useState<ConversationHandle | null>(null);
  useEffect(() => {
    let joined = chat.joinConversation(conversationId);
    setHandle(joined);
    const unsubscribe = chat.onInbox("conversation.added", ({ conversation }) => {
      if (conversation.id !== conversationId || joined.state.status !== "closed") return;
      joined.leave();
      joined = chat.joinConversation(conversationId);
      setHandle(joined);
    });
    return () => {
      unsubscribe();
      joined.setTyping(false);
      joined.leave();
    };
  }, [chat, conversationId]);
  if (!handle) return <main className="pane" />;
  return <OpenConversation {...props} handle={handle} />;
}

function OpenConversation({
  chat,
  user,
  conversationId,
  onReading,
  handle,
}: Props & { handle: ConversationHandle }) {
  const { t } = useI18n();
  const state = useSyncExternalStore(handle.subscribe, handle.getState);
  const [editingId, setEditingId] = useState<number | null>(null);
  const [deletingId, setDeletingId] = useState<number | null>(null);
  const [hasDetails, setDetails] = useState(false);
  const [isReading, setReading] = useState(false);
  const composer = useRef<HTMLTextAreaElement>(null);
  const { conversation, participants, messages, pending } = state;
  const connectivity = connectivityOf(state);
  const face = conversation && faceOf(conversation, participants, user.id, t);

  const actions = useMemo<MessageActions>(
    () => ({
      startEdit: setEditingId,
      endEdit: (id) => {
        setEditingId((current) => (current === id ? null : current));
        focusUnlessTouch(composer);
      },
      saveEdit: (id, text) => handle.edit(id, { text }),
      askDelete: setDeletingId,
      // What became of it is in the state.
      retry: (tempId) => void handle.retry(tempId).catch(() => undefined),
      discard: (tempId) => handle.discard(tempId),
    }),
    [handle],
  );
  useEffect(() => {
    onReading(isReading && connectivity !== "closed" ? conversationId : null);
    return () => onReading(null);
  }, [isReading, connectivity, onReading, conversationId]);
  const editLast = () => {
    const last = messages.findLast(
      ({ sender_id, deleted_at, body }) => sender_id === user.id && !deleted_at && body?.text !== undefined,
    );
    if (last) setEditingId(last.id);
  };

  return (
    <main className="pane" data-testid="conversation-view">
      <ConversationBar
        face={face}
        conversation={conversation}
        participants={participants}
        myId={user.id}
        connectivity={connectivity}
        onDetails={() => setDetails(true)}
      />
      <OfflineBanner chat={chat} connectivity={connectivity} state={state} />
      {conversation ? (
        <Timeline
          handle={handle}
          state={state}
          myId={user.id}
          name={face?.name ?? ""}
          editingId={editingId}
          actions={actions}
          onReading={setReading}
        />
      ) : (
        <div className="timeline timeline-waiting">
          {connectivity !== "closed" && <output className="waiting">{t.loading}</output>}
        </div>
      )}
      <TypingLine names={state.typing.map((id) => personOf(id, participants, t).name)} />
      <Composer
        textarea={composer}
        draftKey={`draft ${user.id} ${conversationId}`}
        isDisabled={connectivity === "closed"}
        onTyping={(isTyping) => handle.setTyping(isTyping)}
        onSend={(text) => handle.send({ text })}
        onEditLast={editLast}
      />
      {deletingId !== null && (
        <DeleteDialog
          key={deletingId}
          onClose={() => setDeletingId((current) => (current === deletingId ? null : current))}
          onDelete={() => handle.delete(deletingId)}
          onDeleted={() => focusUnlessTouch(composer)}
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
