import { ChatClient } from "../../client/index.ts";

/** What a test asks of the Worker that holds a client. */
export interface Order {
  url: string;
  user: string;
  conversation: string;
  text: string;
  /** It ends when it has heard this. */
  untilHeard: string;
}

/** What became of it. */
export interface Outcome {
  queued: boolean;
  storage: { kept: string; reason: string | null };
  sentId: number;
  heard: Array<string | undefined>;
  statuses: string[];
}

/** A Worker that talks to the service as a client, as a bot would. */
export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method !== "POST") return new Response("ready");
    const { url, user, conversation, text, untilHeard }: Order = await request.json();
    const chat = new ChatClient({ url, token: () => user, userId: user });
    const heard: Array<string | undefined> = [];
    const statuses: string[] = [];
    const answered = new Promise<void>((resolve) => {
      chat.onMessage(({ body }) => {
        heard.push(body?.text);
        if (body?.text === untilHeard) resolve();
      });
    });
    chat.connect();
    const handle = chat.joinConversation(conversation);
    handle.subscribe(() => {
      if (statuses.at(-1) !== handle.state.status) statuses.push(handle.state.status);
    });
    const sending = handle.send({ text });
    const queued = await sending.queued;
    const { id: sentId } = await sending;
    await answered;
    handle.leave();
    chat.disconnect();
    return Response.json({ queued, storage: chat.storage, sentId, heard, statuses } satisfies Outcome);
  },
};
