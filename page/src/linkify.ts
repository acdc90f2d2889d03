export interface TextPart {
  text: string;
  /** Set for the parts that are links: http or https only. */
  href: string | null;
}

const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`“”‘’「」『』（）、。，]+/giu;
/** No top-level domain mixes Latin letters with Hangul: what follows is the sentence's. */
const HOST_THEN_HANGUL = /^(https?:\/\/[^/?#]*\.[a-z]{2,})\p{Script=Hangul}.*$/iu;
/** A path may well end in Hangul, so only what is certainly a particle after something Latin goes. */
const PARTICLE =
  /(?<=[\w/=&-])(?:에서|에게|에|을|를|은|는|이|가|으로|로|와|과|의|도|만|까지|부터|이랑|랑|입니다|이에요|예요)$/u;
const TRAILING = /[.,!?;:)\]}…]$/u;

/** Cuts text into plain parts and links. The text is unchanged when the parts are put together again. */
export function linkify(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const url = trimUrl(match[0]);
    const href = toHref(url);
    if (!href) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index), href: null });
    parts.push({ text: url, href });
    end = match.index + url.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end), href: null });
  return parts;
}

/** Drops what belongs to the sentence: Korean grammar behind the address, punctuation at its end. */
function trimUrl(candidate: string): string {
  let url = candidate.replace(HOST_THEN_HANGUL, "$1").replace(PARTICLE, "");
  while (TRAILING.test(url) && !(url.endsWith(")") && isBalanced(url))) url = url.slice(0, -1);
  return url.replace(PARTICLE, "");
}

const isBalanced = (url: string): boolean => url.split("(").length === url.split(")").length;

function toHref(url: string): string | null {
  try {
    const { href, protocol } = new URL(url);
    return protocol === "https:" || protocol === "http:" ? href : null;
  } catch {
    return null;
  }
}
