import { useEffect, useState } from "react";
import { useChatApi, useInboxSelector } from "../../client/react/index.ts";
import type { Conversation, Participant } from "../../protocol/entities.ts";

/**
 * Who is in a conversation that has no title, because their names are what the list shows. Empty while it is not known.
 *
 * @param isSeen nobody is asked before: a list may be long
 */
export function useParticipants(
  { id, title, participant_count }: Conversation,
  isSeen: boolean,
): readonly Participant[] {
  const api = useChatApi();
  const isLive = useInboxSelector(({ status }) => status === "live");
  const [known, setKnown] = useState<{ count: number; participants: readonly Participant[] } | null>(null);
  const isWanted = isSeen && title === null && isLive && known?.count !== participant_count;
  useEffect(() => {
    if (!isWanted) return;
    let isCurrent = true;
    api.listParticipants(id).then(
      ({ data }) => isCurrent && setKnown({ count: participant_count, participants: data }),
      // The list does without names until the next connection.
      () => undefined,
    );
    return () => {
      isCurrent = false;
    };
  }, [api, id, participant_count, isWanted]);
  return known?.participants ?? NOBODY;
}

const NOBODY: readonly Participant[] = [];
