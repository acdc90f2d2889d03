/** A part of a text that matched: UTF-16 offsets, `end` exclusive, as in `text.slice(start, end)`. */
export interface Highlight {
  start: number;
  end: number;
}

/** Ranges that one text gets at most: a letter may stand in it thousands of times. */
const HIGHLIGHTS_MAX = 100;

/**
 * A text as search compares it: compatibility forms composed (NFKC), case folded, characters that nobody sees left
 * out, and white space of any kind and length one space.
 *
 * So `ＡＢＣ` is `abc`, `ｶﾞ` is `ガ`, Hangul is composed however it was typed, `ß` is `ss`, and `I`, `İ` and `ı` are `i`.
 * Accents stay: `e` does not find `é`.
 */
export const normalise = (text: string): string =>
  text
    .replace(IGNORED, "")
    .normalize("NFKC")
    // Lower case alone would keep apart what only upper case brings together: ß and SS, ς and σ.
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .replaceAll("ς", "σ")
    .replace(/i\u0307+/g, "i")
    .normalize("NFKC")
    .replace(/\s+/g, " ");

/** A query as search compares it: white space around it says nothing. Empty when it asks for nothing. */
export const normaliseQuery = (query: string): string => normalise(query).trim();

/** Whether the text contains the query, as one piece. */
export const matches = (text: string, query: string): boolean => {
  const sought = normaliseQuery(query);
  return sought !== "" && normalise(text).includes(sought);
};

/**
 * What an index holds of a normalised text: every two UTF-16 units that stand together within a word, as one number below
 * 2³². Units rather than characters, so that an emoji is a pair by itself and two units always fit. Pairs with a space say
 * little and would be a third of all. Empty when no word has two units.
 */
export function bigrams(normalised: string): number[] {
  const found = new Set<number>();
  for (let at = 0; at + 1 < normalised.length; at += 1) {
    const [first, second] = [normalised.charCodeAt(at), normalised.charCodeAt(at + 1)];
    if (first !== SPACE && second !== SPACE) found.add(((first << 16) | second) >>> 0);
  }
  return [...found];
}

/**
 * Where the text contains the query: ascending, not overlapping, the first {@link HIGHLIGHTS_MAX}. A range begins and ends
 * where characters do, so that it may be wider than the query: `f` lights up all of `ﬁ`.
 */
export function highlights(text: string, query: string): Highlight[] {
  const sought = normaliseQuery(query);
  const normalised = normalise(text);
  const found: Highlight[] = [];
  let at = sought === "" ? -1 : normalised.indexOf(sought);
  // How far the walk over the text has come, in both forms of it.
  let piece = { start: 0, end: 0 };
  let passed = 0;
  const walk = pieces(text);
  /** The piece that the unit at `offset` of the normalised text comes from. */
  const reach = (offset: number): Highlight => {
    while (passed <= offset) {
      const next = walk.next();
      if (next.done) break;
      piece = next.value;
      passed += next.value.length;
    }
    return piece;
  };
  while (at >= 0 && found.length < HIGHLIGHTS_MAX) {
    const { start } = reach(at);
    const { end } = reach(at + sought.length - 1);
    const before = found.at(-1);
    if (before && start < before.end) before.end = end;
    else found.push({ start, end });
    at = normalised.indexOf(sought, at + sought.length);
  }
  return found;
}

const SPACE = 0x20;
/** What one sees of them is nothing, or a form of their neighbour: joiners, variation selectors, soft hyphens, marks. */
const IGNORED = /\p{Default_Ignorable_Code_Point}/gu;
const INVISIBLE = /^\p{Default_Ignorable_Code_Point}/u;
/** Belongs to the character before it: marks, also those that normalising makes of a letter. */
const ATTACHED = /^[\p{M}\p{Default_Ignorable_Code_Point}\u0e33\u0eb3\uff9e\uff9f]/u;
/** May become one with the character before it: what begins with white space once normalised, vowels and final consonants. */
const JOINING =
  /^[\u00a8\u00af\u00b4\u00b8\u02d8-\u02dd\u037a\u0384\u0385\u1160-\u11ff\u1fbd-\u1ffe\u2017\u203e\u309b\u309c\u3131-\u318e\ufc5e-\ufc63\ufe49-\ufe4c\ufe70-\ufe7e\uffa1-\uffdc\uffe3\u{16d63}-\u{16d6a}]/u;
/** One unit that normalises to one unit and joins with nothing before it. */
const PLAIN = /^[\u0021-\u007e\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3]$/;

/** A part of a text, and the length of its normalised form. */
interface Piece extends Highlight {
  length: number;
}

/**
 * The smallest parts of a text that can be normalised one by one: their normalised forms, one after the other, are the
 * normalised text.
 */
function* pieces(text: string): Generator<Piece> {
  let piece = "";
  let start = 0;
  let wasSpace = false;
  for (const character of text) {
    const isSpace = /\s/.test(character);
    const belongs = (isSpace && wasSpace) || joins(piece, character);
    if (piece !== "" && !belongs) {
      yield { start, end: start + piece.length, length: normalisedLength(piece) };
      start += piece.length;
      piece = "";
    }
    piece += character;
    wasSpace = isSpace || (wasSpace && INVISIBLE.test(character));
  }
  if (piece !== "") yield { start, end: start + piece.length, length: normalisedLength(piece) };
}

/** Whether a character and the piece before it normalise to something else than each for itself. */
function joins(piece: string, character: string): boolean {
  if (PLAIN.test(character)) return false;
  if (ATTACHED.test(character)) return true;
  return JOINING.test(character) && normalise(piece + character) !== normalise(piece) + normalise(character);
}

const normalisedLength = (piece: string): number => (PLAIN.test(piece) ? 1 : normalise(piece).length);
