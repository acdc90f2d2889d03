import type { Message } from "../protocol/entities.ts";
import type { InboxEvent, ServerEvent } from "../protocol/frames.ts";
import type { StopReason } from "./connection.ts";
import type { ChatError } from "./errors.ts";

/** Stops the callback it was returned for. Calling it again does nothing. */
export type Unsubscribe = () => void;

/** One event of the server by its type. */
export type EventOf<Type extends ServerEvent["type"]> = Extract<ServerEvent, { type: Type }>;

/** One event of the inbox by its type. */
export type InboxEventOf<Type extends InboxEvent["type"]> = Extract<InboxEvent, { type: Type }>;

/** A conversation's connection is live: nothing is missing up to now, and what follows will arrive. */
export interface ConnectInfo {
  conversation_id: string;
}

/** A conversation's connection ended. */
export interface DisconnectInfo {
  conversation_id: string;
  reason: StopReason;
  /** False when only `connect` or joining again will reopen it. */
  will_reconnect: boolean;
}

/** Where an error came from. */
export interface ErrorInfo {
  /** null for the inbox. */
  conversation_id: string | null;
}

/** What a listener of each kind is called with. */
export type ListenerMap = {
  message: (message: Message) => void;
  failure: (error: ChatError, info: ErrorInfo) => void;
  connect: (info: ConnectInfo) => void;
  disconnect: (info: DisconnectInfo) => void;
  server: (event: ServerEvent, conversationId: string) => void;
};

/** Callbacks of one kind. One that throws is reported to the console and disturbs nobody. */
export class Listeners<Args extends unknown[]> {
  readonly #callbacks = new Set<{ call: (...args: Args) => void }>();

  add(call: (...args: Args) => void): Unsubscribe {
    // An object of its own for each subscription: the same function may be subscribed twice.
    const entry = { call };
    this.#callbacks.add(entry);
    return () => {
      this.#callbacks.delete(entry);
    };
  }

  emit(...args: Args): void {
    for (const { call } of [...this.#callbacks]) {
      try {
        call(...args);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
