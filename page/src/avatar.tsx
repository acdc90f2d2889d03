import { useState } from "react";

const segmenter = new Intl.Segmenter();

/** A picture, or the first letter of a name on a colour that stays the same for an id. */
export function Avatar({
  id,
  name,
  url = null,
  size = "medium",
  shape = "person",
}: {
  id: string;
  name: string;
  url?: string | null;
  size?: "tiny" | "small" | "medium" | "large";
  shape?: "person" | "group";
}) {
  const [isBroken, setBroken] = useState(false);
  return (
    <span className={`avatar avatar-${size} avatar-${shape} hue-${hueOf(id)}`} aria-hidden="true">
      {url && !isBroken ? <img src={url} alt="" onError={() => setBroken(true)} /> : initialOf(name)}
    </span>
  );
}

function initialOf(name: string): string {
  const [first] = segmenter.segment(name.trim());
  return first?.segment.toLocaleUpperCase() ?? "·";
}

function hueOf(id: string): number {
  let hash = 0;
  for (const character of id) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash % 8;
}
