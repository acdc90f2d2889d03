import { ChatClient, type ConversationHandle, indexedDbStorage } from "../../client/index.ts";
import { STORAGE_CASES } from "../../client/storage-contract.ts";

/** What tests call in a page that holds nothing but the client library. */
declare global {
  var library: {
    open(user: string, conversation: string, token?: string): void;
    /** Sends these one after the other. @returns whether each is on the disk, once that is known */
    queue(texts: string[]): Promise<boolean[]>;
    /** As `queue`, until the service has them. @returns their ids */
    send(texts: string[]): Promise<number[]>;
    look(): { status: string; texts: string[]; pending: string[] };
    /** What was said of the storage, one after the other. */
    storages(): string[];
    tokens(): number;
    /** Runs the contract of storages. @returns what failed */
    checkStorage(): Promise<string[]>;
  };
  /** Gives a page a token; the test provides it. */
  function issueToken(): Promise<string>;
}

let chat: ChatClient | null = null;
let handle: ConversationHandle | null = null;
let asked = 0;
const storages: string[] = [];

const sendings = (texts: string[]) =>
  texts.map((text) => {
    if (!handle) throw new Error("Nothing is open.");
    return handle.send({ text });
  });

globalThis.library = {
  open(user, conversation, token) {
    chat = new ChatClient({
      url: location.origin,
      userId: user,
      token: () => {
        asked += 1;
        return token === "issued" ? issueToken() : user;
      },
      reconnect: { firstMs: 50, maxMs: 500 },
      heartbeat: { everyMs: 2_000, answerMs: 2_000 },
    });
    chat.onStorage(({ kept, reason }) => storages.push(`${kept} ${reason}`));
    handle = chat.joinConversation(conversation);
    chat.connect();
  },
  queue: (texts) => Promise.all(sendings(texts).map(({ queued }) => queued)),
  send: async (texts) => (await Promise.all(sendings(texts))).map(({ id }) => id),
  look: () => ({
    status: handle?.state.status ?? "",
    texts: handle?.state.messages.map(({ body }) => body?.text ?? "") ?? [],
    pending: handle?.state.pending.map(({ body }) => body.text ?? "") ?? [],
  }),
  storages: () => storages,
  tokens: () => asked,
  async checkStorage() {
    const failures: string[] = [];
    for (const [index, { name, check }] of STORAGE_CASES.entries()) {
      const database = `contract-${index}`;
      try {
        await check(() => indexedDbStorage(database));
      } catch (error) {
        failures.push(`${name}: ${String(error)}`);
      }
      indexedDB.deleteDatabase(database);
    }
    return failures;
  },
};
