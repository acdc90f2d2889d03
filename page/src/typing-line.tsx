import { useEffect, useRef, useState } from "react";
import { useI18n } from "./i18n.ts";

/** A screen reader is told no more often than this, milliseconds. */
const ANNOUNCE_EVERY_MS = 30_000;

/** Who is typing. It has its place whether anybody is or not, so that nothing moves. */
export function TypingLine({ names }: { names: readonly string[] }) {
  const { t } = useI18n();
  const text = names.length > 0 ? t.typing(names) : "";
  const announcement = useAnnouncement(text);
  return (
    <div className="typing-line">
      {text !== "" && (
        <p className="typing" aria-hidden="true" data-testid="typing">
          <bdi>{text}</bdi>
        </p>
      )}
      <output className="hidden">{announcement}</output>
    </div>
  );
}

/** What was said first, until all of it is over. */
function useAnnouncement(text: string): string {
  const [announced, setAnnounced] = useState("");
  const announcedAt = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    if (text === "") {
      setAnnounced("");
    } else if (performance.now() - announcedAt.current >= ANNOUNCE_EVERY_MS) {
      announcedAt.current = performance.now();
      setAnnounced(text);
    }
  }, [text]);
  return announced;
}
