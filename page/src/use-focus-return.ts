import { useEffect, useRef } from "react";
import { hrefOf } from "./route.ts";

/** In a narrow window the list comes back when a conversation is closed; the focus is where it was, then. */
export function useFocusReturn(userId: string, conversationId: string | null): void {
  const last = useRef<string | null>(null);
  useEffect(() => {
    const closed = last.current;
    last.current = conversationId;
    if (conversationId !== null || closed === null || document.activeElement !== document.body) return;
    const href = hrefOf({ userId, conversationId: closed });
    document.querySelector<HTMLElement>(`a[href="${CSS.escape(href)}"]`)?.focus();
  }, [userId, conversationId]);
}
