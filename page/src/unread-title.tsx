import { useEffect } from "react";
import { useInboxSelector } from "../../client/react/index.ts";

/** How much is unread, in the window's title. A component, so that nothing else renders when the number changes. */
export function UnreadTitle({ name, readingId }: { name: string; readingId: string | null }) {
  const count = useInboxSelector(({ unread, unread_total }) => {
    const beingRead = readingId === null ? 0 : (unread.get(readingId)?.unread_count ?? 0);
    return unread_total - beingRead;
  });
  useEffect(() => {
    document.title = `${count > 0 ? `(${count}) ` : ""}${name} · arcyou chat`;
    return () => {
      document.title = "arcyou chat";
    };
  }, [name, count]);
  return null;
}
