import type { Conversation as ConversationEntity, Message, Participant } from "../protocol/entities.ts";
import type { Result } from "../protocol/errors.ts";
import type { MessageCommand } from "./commands.ts";
import type { Caller, Inspection, LogPage } from "./conversation-core.ts";

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
  /** Brings the object to at least this version of Postgres. */
  versionChanged(version: number): Promise<Result<void>>;
  /** State for operators. */
  inspect(): Promise<Result<Inspection>>;
  /** Takes an upgrade described by {@link ConnectRequest} in {@link CONNECT_HEADER}. */
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** What the Worker tells of an upgrade. */
export interface ConnectRequest {
  conversationId: string;
  caller: Caller;
  /** End of the credential, Unix milliseconds. */
  expiresAt: number | null;
  /** What the client calls itself; null if it does not. */
  clientId: string | null;
  since?: number | undefined;
  epoch?: string | undefined;
}

/** Header with a {@link ConnectRequest}: JSON, percent-encoded. */
export const CONNECT_HEADER = "x-arcyou-connect";
