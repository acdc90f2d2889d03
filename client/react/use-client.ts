import { useMemo, useSyncExternalStore } from "react";
import { ChatApi, type ChatClient } from "../index.ts";
import { useHub } from "./context.ts";

/** The client of the nearest provider. @throws Error outside a provider */
export function useChatClient(): ChatClient {
  return useHub().chat;
}

/** Typed calls of the REST API, with the tokens of the nearest provider's client. @throws Error outside a provider */
export function useChatApi(): ChatApi {
  const hub = useHub();
  return useMemo(() => new ChatApi({ request: (...args) => hub.chat.request(...args) }), [hub]);
}

/**
 * Whose client it is: the provider's `userId`, otherwise what the service said when a connection became live below this
 * provider; null before.
 */
export function useUserId(): string | null {
  const { onUserId, getUserId } = useHub();
  return useSyncExternalStore(onUserId, getUserId, getUserId);
}
