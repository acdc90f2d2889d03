import type { VersionedSettings } from "../db/presence.ts";
import type { CredentialMarks, Revocation } from "../db/revocations.ts";
import type { UnauthorizedReason } from "../protocol/close-codes.ts";
import type { Conversation as ConversationEntity, Message, Participant } from "../protocol/entities.ts";
import type { Result } from "../protocol/errors.ts";
import type { MessageCommand } from "./commands.ts";
import type { Inspection } from "./conversation-core.ts";
import type { Caller } from "./door.ts";
import type { LogPage } from "./history.ts";
import type { PresenceFact } from "./presence.ts";

/** What a Worker may ask of a conversation's object. All that either knows of the other. */
export interface ConversationRpc {
  /** Carries out a command; the answer comes when it is durable. `isNew` is false for a repeat. */
  execute(userId: string, command: MessageCommand): Promise<Result<{ message: Message; isNew: boolean }>>;
  /** A page for a participant: `beforeId` or the latest, or with `afterId` what comes after it. */
  page(
    userId: string,
    range: { beforeId?: number | undefined; afterId?: number | undefined; limit: number },
  ): Promise<Result<LogPage>>;
  /** The conversation as the user sees it now. */
  summary(userId: string): Promise<Result<ConversationEntity>>;
  /** Everybody taking part, with what only the object knows: who is online, how far they have read. */
  participants(userId: string): Promise<Result<Participant[]>>;
  /** Moves the user's read position forward; the answer comes when it is durable. Beyond the newest message is refused. */
  read(userId: string, lastReadId: number): Promise<Result<ReadState>>;
  /** What search cannot find in Postgres yet. @param beforeId only hits below it */
  searchTail(userId: string, query: string, beforeId?: number): Promise<Result<SearchTail>>;
  /** Ends credentials before their time: their sessions are closed, and let in no more. */
  revoke(revocation: Revocation): Promise<Result<void>>;
  /**
   * The user's inbox is open, and is to be told of what happens until `untilMs`. Repeating it renews it.
   *
   * @param known what the inbox knows of the conversation; null for nothing
   */
  lease(
    userId: string,
    lease: { turn: number; untilMs: number },
    known: KnownState | null,
  ): Promise<Result<LeaseAnswer>>;
  /** The user's inbox is closed. What a later `turn` opened stays open. The answer comes when others were told. */
  release(userId: string, turn: number, lastSeenMs: number | null): Promise<Result<void>>;
  /** The user decided otherwise, which others are to see. The answer comes when they were told. */
  settingsChanged(userId: string, settings: VersionedSettings): Promise<Result<void>>;
  /** Brings the object to at least this version of Postgres. */
  versionChanged(version: number): Promise<Result<void>>;
  /** State for operators. */
  inspect(): Promise<Result<Inspection>>;
  /** Takes an upgrade described by {@link ConnectRequest} in {@link CONNECT_HEADER}. */
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** A conversation as one user saw it: what is newer has a higher `seq`, or the same and a higher `last_read_id`. */
export interface KnownState {
  seq: number;
  last_read_id: number;
  unread_count: number;
}

/** What a conversation tells an inbox that leases it. */
export interface LeaseAnswer extends KnownState {
  epoch: string;
  /** null when it is what the inbox knows. */
  conversation: ConversationEntity | null;
  /** Others who are online, or were once; of a large conversation nobody. */
  presence: PresenceFact[];
}

/** What a conversation tells an inbox when something happens. */
export interface Notice {
  conversation_id: string;
  /** `removed` when the user takes part no more; null when it did not change. */
  state: { epoch: string; seq: number; conversation: ConversationEntity } | "removed" | null;
  /** Who came or went. */
  presence: PresenceFact[];
}

/** What a Worker or a conversation may ask of a user's inbox. */
export interface InboxRpc {
  /** @returns whether the inbox is open: if not, it need not be told any more */
  notify(notice: Notice): Promise<{ online: boolean }>;
  /** Something about a conversation changed that no object holds: Postgres knows what. */
  refresh(conversationId: string): Promise<void>;
  /** The user decided otherwise. */
  settingsChanged(settings: VersionedSettings): Promise<void>;
  /** Ends credentials before their time. */
  revoke(revocation: Revocation): Promise<Result<void>>;
  /** State for operators. */
  inspect(): Promise<InboxInspection>;
  /** Takes an upgrade described by {@link ConnectRequest} in {@link CONNECT_HEADER}. */
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** State of an inbox, for operators and tests. */
export interface InboxInspection {
  turn: number;
  leased: number;
  unleased: number;
  sockets: number;
  total: number | null;
}

/** How far a user has read, all at one moment. */
export interface ReadState {
  last_read_id: number;
  unread_count: number;
  last_message_id: number;
}

/** Messages that are not in Postgres in their current state, seen by one participant. */
export interface SearchTail {
  /** The first message that the participant may see. */
  visibleFromId: number;
  head: number;
  /** Those that match, newest first. */
  messages: Message[];
  /** All of them, matching or not: what Postgres finds for these ids is out of date. */
  superseded: number[];
}

/** What an object may ask of the Worker: the entrypoint `Authenticator`. */
export interface AuthenticatorRpc {
  /** Checks a credential as at the door. Throws when it cannot be checked now. */
  authenticate(token: string): Promise<Authenticated>;
}

export type Authenticated =
  | { ok: true; identity: CredentialMarks & { expiresAt: number | null } }
  | { ok: false; reason: UnauthorizedReason };

/** What the Worker tells of an upgrade. */
export interface ConnectRequest {
  caller: Caller;
  /** End of the credential, Unix milliseconds. */
  expiresAt: number | null;
  /** What the client calls itself; null if it does not. */
  clientId: string | null;
  /** Of a conversation: what the client has. */
  since?: number | undefined;
  epoch?: string | undefined;
}

/** Header with a {@link ConnectRequest}: JSON, percent-encoded. */
export const CONNECT_HEADER = "x-arcyou-connect";
