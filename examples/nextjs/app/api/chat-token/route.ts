import { ChatError } from "@arcyou/chat-client";
import { auth } from "@/auth";
import { chatOfUser } from "@/lib/chat-server";

/** Exchanges the session for a chat token of at most an hour. `auth` also renews the session's cookie. */
export const GET = auth(async (request) => {
  if (!request.auth) return new Response(null, { status: 401 });
  try {
    const chat = await chatOfUser();
    const reply = await chat.api.auth.token.$post({ json: {} });
    const { data } = await reply.json();
    return Response.json({ token: data.token }, { headers: { "Cache-Control": "no-store" } });
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    return Response.json({ error: error.message }, { status: error.status ?? 502 });
  }
});
