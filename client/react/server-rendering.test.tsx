import { renderToString } from "react-dom/server";
import { expect, it } from "vitest";
import { ChatProvider, useChat, useChatApi, useConversations, useWebSocket } from "./index.ts";

function Summary() {
  const { send, status } = useChat("a");
  const { conversations } = useConversations();
  const { storage, connect } = useWebSocket();
  const api = useChatApi();
  return (
    <p>{[status, conversations.length, storage.kept, typeof send, typeof connect, typeof api].join(" ")}</p>
  );
}

it("renders where there is no page: nothing is asked for, nothing connects, and no client is made", () => {
  expect(globalThis).not.toHaveProperty("window");
  const token = () => {
    throw new Error("Nobody may ask.");
  };
  // A path of the page's own origin: a client could not be made of it here.
  const html = renderToString(
    <ChatProvider url="/chat" token={token}>
      <Summary />
    </ChatProvider>,
  );
  expect(html).toBe("<p>disconnected 0 memory function function object</p>");
});
