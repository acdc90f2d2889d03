import type {
  ChatClient,
  ConversationHandle,
  ConversationState,
  WebSocketConstructor,
} from "../../client/index.ts";
import type { Conversation, Message, Participant } from "../../protocol/entities.ts";
import type { ServerEvent } from "../../protocol/frames.ts";
import type {
  AnnouncedEntry,
  CountEntry,
  HeldEntry,
  Instant,
  PositionEntry,
  Row,
  SeenEntry,
  ShownEntry,
} from "../checker/history.ts";

/** What a client is told or shows, with the ids of the service. */
export type Observation =
  | Omit<SeenEntry, "t">
  | Omit<PositionEntry, "t">
  | Omit<CountEntry, "t">
  | Omit<ShownEntry, "t">
  | Omit<AnnouncedEntry, "t">;

/** Where observations go. */
export interface Sink {
  /** A place in the order of everything that is not later than now. */
  instant(): Instant;
  observe(observation: Observation): void;
}

/** What a client holds of a conversation. */
export type Held = Pick<HeldEntry, "live" | "seq" | "last_message_id" | "title" | "participants" | "rows">;

/** What can be told of a conversation at a glance. */
export type Look = Pick<ConversationState, "status" | "last_message_id"> & {
  /** Of the messages it holds. */
  newest_message_seq: number;
};

/** Notes what reaches one client, before any of its code has looked at it, and what it makes of it. */
export class Tap {
  readonly #sink: Sink;
  readonly #who: { client: string; user: string };

  constructor(sink: Sink, who: { client: string; user: string }) {
    this.#sink = sink;
    this.#who = who;
  }

  /** Sockets for the client. */
  webSocket(): WebSocketConstructor {
    const listen = (socket: WebSocket, url: string) => this.#listen(socket, url);
    return class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        listen(this, url);
      }
    };
  }

  /** `fetch` for the client. */
  fetch(): typeof fetch {
    return async (input, init) => {
      const asked = this.#sink.instant();
      const response = await fetch(input, init);
      const text = await response.text();
      if (response.ok && text !== "") this.#reply(new URL(String(input)).pathname, JSON.parse(text), asked);
      return new Response(text === "" ? null : text, { status: response.status, headers: response.headers });
    };
  }

  /** Notes what the client tells its user as new. */
  announcements(chat: ChatClient): void {
    chat.onMessage(({ conversation_id: conversation, id }) => {
      this.#sink.observe({ kind: "announced", ...this.#who, conversation, id });
    });
  }

  /** Notes what the client shows of a conversation, whenever that changes. */
  shows(handle: ConversationHandle): void {
    let shown = "[]";
    handle.subscribe(() => {
      const ranges = rangesOf(handle.state.messages);
      const text = JSON.stringify(ranges);
      if (text === shown) return;
      shown = text;
      this.#sink.observe({ kind: "shown", ...this.#who, conversation: handle.id, ranges });
    });
  }

  #listen(socket: WebSocket, url: string): void {
    const conversation = conversationIn(new URL(url).pathname);
    const asked = this.#sink.instant();
    let epoch: string | null = null;
    let isLive = false;
    socket.addEventListener("message", ({ data }) => {
      if (data === "pong") return;
      const via = () => (isLive ? "live" : "replay");
      for (const event of [JSON.parse(String(data))].flat() as ServerEvent[]) {
        switch (event.type) {
          case "ready": {
            epoch = event.epoch;
            const { last_message_id: head, seq, participants, messages = [] } = event;
            this.#conversation(event.conversation, asked, { via: "ready", seq, epoch });
            for (const participant of participants) this.#participant(conversation, participant, head, asked);
            for (const message of messages) this.#message(message, asked, "replay", epoch);
            break;
          }
          case "synced":
            isLive = true;
            break;
          case "message.created":
          case "message.updated":
          case "message.deleted":
            this.#message(event.message, asked, via(), epoch);
            break;
          case "conversation.participant_added":
          case "conversation.participant_updated":
            this.#participant(conversation, event.participant, null, asked);
        }
      }
    });
  }

  #reply(path: string, { data }: { data: unknown }, asked: Instant): void {
    const conversation = conversationIn(path);
    const items = [data].flat();
    if (/\/messages(\/|$)/.test(path)) {
      for (const message of items as Message[]) this.#message(message, asked, "rest", null);
    } else if (/\/participants(\/|$)/.test(path)) {
      for (const participant of items as Participant[])
        this.#participant(conversation, participant, null, asked);
    } else if (/\/conversations(\/|$)/.test(path)) {
      for (const one of items as Conversation[])
        this.#conversation(one, asked, { via: "rest", seq: null, epoch: null });
    }
  }

  #conversation(
    { id: conversation, last_message_id: head, last_message, me }: Conversation,
    asked: Instant,
    { via, seq, epoch }: { via: "ready" | "rest"; seq: number | null; epoch: string | null },
  ): void {
    const { last_read_id, unread_count: unread } = me;
    const count = { via, head, seq, last_read_id, unread };
    this.#sink.observe({ kind: "count", ...this.#who, conversation, asked, ...count });
    this.#position(conversation, this.#who.user, last_read_id, head, asked);
    if (last_message) this.#message(last_message, asked, via === "rest" ? "rest" : "replay", epoch);
  }

  #participant(
    conversation: string,
    { user_id, last_read_id }: Participant,
    head: number | null,
    asked: Instant,
  ): void {
    this.#position(conversation, user_id, last_read_id, head, asked);
  }

  #position(
    conversation: string,
    reader: string,
    last_read_id: number,
    head: number | null,
    asked: Instant,
  ): void {
    const position = { at: "client", asked, reader, last_read_id, head } as const;
    this.#sink.observe({ kind: "position", ...this.#who, conversation, ...position });
  }

  #message(message: Message, asked: Instant, via: SeenEntry["via"], epoch: string | null): void {
    const { conversation_id: conversation } = message;
    const seen = { at: "client", asked, via, epoch, ...rowOf(message) } as const;
    this.#sink.observe({ kind: "seen", ...this.#who, conversation, ...seen });
  }
}

/** A message as a row of a dump. */
export function rowOf({ id, seq, sender_id: sender, temp_id, body }: Message): Row {
  return { id, seq, sender, temp_id, hash: body === null ? null : hashOf(body) };
}

/** What a state shows, for the end of a run. */
export function heldOf(state: ConversationState): Held {
  return {
    live: state.status === "live",
    seq: state.seq,
    last_message_id: state.last_message_id,
    title: state.conversation?.title ?? null,
    participants: state.participants.map(({ user_id }) => user_id),
    rows: state.messages.map(rowOf),
  };
}

/** What of a state tells whether it has come to rest. */
export function lookAt({ status, last_message_id, messages }: ConversationState): Look {
  return { status, last_message_id, newest_message_seq: Math.max(0, ...messages.map(({ seq }) => seq)) };
}

/** Ids as runs of consecutive ones, in the order given. */
function rangesOf(messages: readonly Message[]): Array<[number, number]> {
  const ranges: Array<[number, number]> = [];
  let last: [number, number] | undefined;
  // As fast as can be: it is asked for at every message, and looks at all of them.
  for (let index = 0; index < messages.length; index += 1) {
    const id = messages[index]?.id ?? 0;
    if (last !== undefined && id === last[1] + 1) last[1] = id;
    else {
      last = [id, id];
      ranges.push(last);
    }
  }
  return ranges;
}

/** 64 bits as two FNV-1a of 32 bits, over the body with its keys sorted: a database may order them differently. */
export function hashOf(body: object): string {
  const text = JSON.stringify(body, (_key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  let [high, low] = [0x811c9dc5, 0x01000193];
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul(low ^ (unit + at), 0x01000193);
  }
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
}

function conversationIn(path: string): string {
  return decodeURIComponent(/\/conversations\/([^/]+)/.exec(path)?.[1] ?? "");
}
