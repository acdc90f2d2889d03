import type { OnText } from "../websocket.ts";

/** Whom a measurement is about. */
export type ContenderName = "ours" | "classic" | "classic-one" | "socket-io" | "object";

/** Where a participant left off. */
export interface Resume {
  /** Id of the newest message that arrived. */
  since: number;
  /** What else the contender wants to be told: {@link Line.token} of the earlier connection. */
  token: string;
}

/** A participant's open connection, ready for live messages. */
export interface Line {
  /** Sends a command; the contender's own wrapping is added. */
  send(command: string): void;
  close(): void;
  /** For {@link Resume}. */
  readonly token: string;
  /** Told when the connection ends without having been asked to. */
  set onBroken(tell: (reason: string) => void);
}

export interface Connection {
  conversationId: string;
  userId: string;
  resume?: Resume;
  /** Every text that arrives once the socket is open, before it is looked at for anything else. */
  onText: OnText;
}

/** A chat server in a process of its own. */
export interface Contender {
  name: ContenderName;
  title: string;
  /** Whether it promises everybody ids 1, 2, 3, … in this order. One that does not is only held to exactly once. */
  isOrdered: boolean;
  url: URL;
  createConversation(users: string[]): Promise<string>;
  connect(connection: Connection): Promise<Line>;
  /** Messages of these conversations that Postgres holds; null where none ever get there. */
  countStored(conversationIds: string[]): Promise<number | null>;
  /** SIGKILL, and a new process with the same data, at another `url`. */
  restart(): Promise<void>;
  /** Memory of the server's processes, in bytes; databases are not among them. */
  residentBytes(): Promise<number>;
}
