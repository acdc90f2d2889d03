import { useMemo } from "react";
import { linkify } from "./linkify.ts";

/** Text whose web addresses are links. React escapes it all; nothing of it is ever read as HTML. */
export function LinkifiedText({ text }: { text: string }) {
  const parts = useMemo(() => {
    let offset = 0;
    return linkify(text).map((part) => {
      const key = offset;
      offset += part.text.length;
      return { ...part, key };
    });
  }, [text]);
  return parts.map(({ key, text: shown, href }) =>
    href ? (
      <a key={key} href={href} target="_blank" rel="noopener noreferrer nofollow">
        {shown}
      </a>
    ) : (
      shown
    ),
  );
}
