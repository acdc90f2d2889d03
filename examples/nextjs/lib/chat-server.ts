import { createServerClient } from "@arcyou/chat-client/server";
import { cookies } from "next/headers";

/** Where the service is, for this server and for browsers. */
export const CHAT_URL = process.env.CHAT_URL ?? "http://localhost:8787";

/** The REST API as the user who is signed in: the service reads the session of Auth.js by itself. */
export async function chatOfUser() {
  return createServerClient({ url: CHAT_URL, credential: await readSessionToken() });
}

/** Auth.js cuts a long session into pieces: name.0, name.1, … */
async function readSessionToken(): Promise<string> {
  const all = (await cookies()).getAll();
  return all
    .filter(({ name }) => /^(__Secure-)?authjs\.session-token(\.\d+)?$/.test(name))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
    .map(({ value }) => value)
    .join("");
}
