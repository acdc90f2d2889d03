import type { RefObject } from "react";
import type { Conversation, Participant } from "../../protocol/entities.ts";
import { Avatar } from "./avatar.tsx";
import { ConnectionStatus } from "./connection-status.tsx";
import type { Connectivity } from "./connectivity.ts";
import { useI18n } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import type { Face } from "./people.ts";
import { PresenceLine } from "./presence-line.tsx";
import { closeConversation } from "./route.ts";

/** Who this conversation is with, and how the connection is. */
export function ConversationBar({
  face,
  conversation,
  participants,
  myId,
  connectivity,
  isSearching,
  searchButton,
  onSearch,
  onDetails,
}: {
  face: Face | null;
  conversation: Conversation | null;
  participants: readonly Participant[];
  myId: string;
  connectivity: Connectivity;
  isSearching: boolean;
  searchButton: RefObject<HTMLButtonElement | null>;
  onSearch: () => void;
  onDetails: () => void;
}) {
  const { t } = useI18n();
  return (
    <header className="pane-bar">
      <button
        type="button"
        className="icon-button back"
        aria-label={t.back}
        data-testid="back"
        onClick={closeConversation}
      >
        <Icon name="back" />
      </button>
      {face && conversation && (
        <button
          type="button"
          className="pane-title"
          title={t.details}
          aria-haspopup="dialog"
          data-testid="conversation-details"
          onClick={onDetails}
        >
          <Avatar
            id={face.avatarId}
            name={face.avatarName}
            url={face.avatarUrl}
            size="small"
            shape={face.shape}
          />
          <span className="pane-names">
            <bdi className="pane-name">{face.name}</bdi>
            {(connectivity === "live" || conversation.type === "group") && (
              <small data-testid="presence">
                <PresenceLine
                  conversation={conversation}
                  participants={connectivity === "live" ? participants : []}
                  myId={myId}
                />
              </small>
            )}
          </span>
        </button>
      )}
      <span className="spacer" />
      <ConnectionStatus connectivity={connectivity} />
      <button
        ref={searchButton}
        type="button"
        className="icon-button"
        aria-label={t.search}
        title={t.search}
        aria-expanded={isSearching}
        data-testid="search"
        onClick={onSearch}
      >
        <Icon name="search" />
      </button>
    </header>
  );
}
