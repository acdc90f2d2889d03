import { useChatSelector } from "../../client/react/index.ts";
import type { Conversation, Participant } from "../../protocol/entities.ts";
import { agoText } from "./format.ts";
import { useI18n } from "./i18n.ts";
import { useNow } from "./use-now.ts";

/** Who is there: whether the other one is, or how many of a group. */
export function PresenceLine({
  conversation,
  participants,
  myId,
}: {
  conversation: Conversation;
  participants: readonly Participant[];
  myId: string;
}) {
  const { t, language } = useI18n();
  const now = useNow();
  // Whoever was removed counts nobody: the last that was told of a group may have counted them.
  const isClosed = useChatSelector(conversation.id, ({ status }) => status === "closed");
  if (isClosed) return null;
  const others = participants.filter(({ user_id }) => user_id !== myId);
  if (conversation.type === "group") {
    const onlineCount = others.filter(({ online }) => online).length;
    const count = t.participants(conversation.participant_count);
    return <>{onlineCount === 0 ? count : `${count} · ${t.onlineCount(onlineCount + 1)}`}</>;
  }
  const [other] = others;
  if (!other) return null;
  if (other.online) return <span className="is-online">{t.online}</span>;
  if (other.last_seen_at === null) return <>{t.notOnline}</>;
  return <>{t.lastSeen(agoText(language, t, new Date(other.last_seen_at), now))}</>;
}
