import { createStore } from "./external-store.ts";
import { read, write } from "./web-storage.ts";

/**
 * Where this window is: in the hash, so that two windows can be two users, and the user in
 * sessionStorage as well, so that a reload of the bare address stays the same person.
 */
export interface Route {
  userId: string | null;
  conversationId: string | null;
  /** The user of the window that opened this one; the cards mark them as taken. */
  besideUserId: string | null;
}

export const route = createStore<Route>(current());

export const hrefOf = (next: Partial<Route>): string => {
  const parameters = new URLSearchParams();
  if (next.userId) parameters.set("user", next.userId);
  if (next.conversationId) parameters.set("conversation", next.conversationId);
  if (next.besideUserId) parameters.set("beside", next.besideUserId);
  return `#${parameters}`;
};

/** Becomes another user, or none to choose again. */
export function chooseUser(userId: string | null): void {
  write("session", "user", userId);
  navigate({ userId }, "push");
}

/**
 * Opens a conversation. Only the first one makes a history entry, so that on a phone the back gesture
 * leads from any conversation to the list.
 */
export function openConversation(conversationId: string): void {
  const { userId, conversationId: open } = route.get();
  navigate({ userId, conversationId }, open ? "replace" : "push");
}

/** Back to the list. */
export function closeConversation(): void {
  if (history.state === FROM_LIST) history.back();
  else navigate({ userId: route.get().userId }, "replace");
}

const FROM_LIST = "from-list";

function navigate(next: Partial<Route>, how: "push" | "replace"): void {
  if (how === "push") history.pushState(next.conversationId ? FROM_LIST : null, "", hrefOf(next));
  else history.replaceState(next.conversationId ? history.state : null, "", hrefOf(next));
  follow();
}

function current(): Route {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const besideUserId = parameters.get("beside");
  return {
    userId: parameters.get("user") ?? (besideUserId ? null : read("session", "user")),
    conversationId: parameters.get("conversation"),
    besideUserId,
  };
}

function follow(): void {
  const next = current();
  if (next.userId) write("session", "user", next.userId);
  route.set(next);
}

window.addEventListener("popstate", follow);
window.addEventListener("hashchange", follow);
follow();
