import { expect, test } from "vitest";
import { Random } from "../test/simulation/random.ts";
import { bigrams, type Highlight, highlights, matches, normalise, normaliseQuery } from "./search-text.ts";

const lit = (text: string, query: string): string[] =>
  highlights(text, query).map(({ start, end }) => text.slice(start, end));

test.each([
  ["a word inside another", "오늘 김밥을 먹었다", "김밥", ["김밥"]],
  ["Hangul typed letter by letter", "김밥을".normalize("NFD"), "김밥", ["김밥".normalize("NFD")]],
  ["a query typed letter by letter", "김밥을", "김밥".normalize("NFD"), ["김밥"]],
  ["Hangul before letters that are no syllable", "안녕ㅠㅠ", "안녕", ["안녕"]],
  ["compatibility letters", "ㅋㅋㅋㅋ", "ㅋㅋ", ["ㅋㅋ", "ㅋㅋ"]],
  ["half-width katakana", "今日はｶﾞｿﾘﾝを買う", "ガソリン", ["ｶﾞｿﾘﾝ"]],
  ["full-width Latin", "ＡＢＣ１２３", "bc1", ["ＢＣ１"]],
  ["Chinese", "我们明天去北京大学", "北京", ["北京"]],
  ["case", "The QUICK fox", "quick", ["QUICK"]],
  ["ß as ss", "Die Straße", "STRASSE", ["Straße"]],
  ["ss as ß", "STRASSE", "ßE", ["SSE"]],
  ["the capital ẞ", "GROẞ", "gross", ["GROẞ"]],
  ["Turkish İ", "İstanbul'da", "istanbul", ["İstanbul"]],
  ["Turkish ı and I", "ISPARTA, ısparta", "ısp", ["ISP", "ısp"]],
  ["sigma at the end of a word", "ΟΔΟΣ και οδος", "οδοσ", ["ΟΔΟΣ", "οδος"]],
  ["an accent in two pieces", "Cafe\u0301 noir", "café", ["Cafe\u0301"]],
  ["all of a ligature", "eine Ofﬁzierin", "if", []],
  ["half of a ligature", "ﬁnden", "in", ["ﬁn"]],
  ["an emoji", "ja 😀😀 nein", "😀", ["😀", "😀"]],
  ["a character beyond 16 bits", "𠮷野家で", "𠮷野", ["𠮷野"]],
  ["a heart in colour, by its plain form", "I ❤️ you", "❤", ["❤️"]],
  ["a family by one of its members", "👩‍👩‍👧!", "👧", ["👧"]],
  ["white space of any kind", "see  you\n\ttomorrow", " you tomorrow ", ["you\n\ttomorrow"]],
  ["a word with a soft hyphen", "un\u00adbelievable", "unbe", ["un\u00adbe"]],
  ["what looks like a pattern", "100% a_b \\ 'c'", "% a_b \\ 'c'", ["% a_b \\ 'c'"]],
  ["no other accent", "résumé", "resume", []],
  ["no part of a syllable", "각", "가", []],
])("F1 F2: finds %s", (_, text, query, expected) => {
  expect(lit(text, query)).toEqual(expected);
  expect(matches(text, query)).toBe(expected.length > 0);
});

test("F8: a query of nothing finds nothing", () => {
  for (const query of ["", " \n\u3000", "\u200d\ufe0f"]) {
    expect(normaliseQuery(query)).toBe("");
    expect(matches("anything at all", query)).toBe(false);
    expect(highlights("anything at all", query)).toEqual([]);
  }
});

test("F2: a text gets a hundred highlights at most", () => {
  expect(highlights("a".repeat(10_000), "a")).toEqual(
    Array.from({ length: 100 }, (_, start) => ({ start, end: start + 1 })),
  );
});

test("bigrams: pairs within words, none over a space, each once", () => {
  const pair = (text: string) => text.charCodeAt(0) * 65_536 + text.charCodeAt(1);
  expect(bigrams("김밥 김밥")).toEqual([pair("김밥")]);
  expect(bigrams("ab cd").sort()).toEqual([pair("ab"), pair("cd")].sort());
  expect(bigrams("😀")).toEqual([pair("😀")]);
  expect(bigrams("a b 가")).toEqual([]);
  expect(bigrams("\uffff\uffff")).toEqual([2 ** 32 - 1]);
});

/** What joins, grows, shrinks or vanishes when it is normalised, and a few that do not. */
const CHARACTERS = [
  ..."aBIİıßẞΣςσeéq 가각한글각ㄱㅏㄳㅠｶガﾊﾡￂＡﬁﬃﷺ❤👨𠮷कกำ㎏㍿½ᾳǰΐŉか‾ﹰﬀ´¨゛",
  ..."\u0301\u0307\u0323\u0324\u0345\u093e\u093f\u3099\uff9e\uff9f\u200d\ufe0f\u00ad\u115f\u3164\u3000\n",
];

/**
 * By brute force: a text may be cut where both sides normalise as they do together and no mark is torn off; a match is lit
 * up from the last cut before it to the first after it, and what nobody sees behind it goes along.
 */
function litByBruteForce(text: string, sought: string): Highlight[] {
  const whole = normalise(text);
  const cuts: Array<{ at: number; passed: number }> = [];
  for (let at = 0; at <= text.length; at += 1) {
    const [before, after] = [text.slice(0, at), text.slice(at)];
    if (at > 0 && /^[\p{M}\p{Default_Ignorable_Code_Point}\uff9e\uff9fำ]/u.test(after)) continue;
    if (before.isWellFormed() && normalise(before) + normalise(after) === whole)
      cuts.push({ at, passed: normalise(before).length });
  }
  const found: Highlight[] = [];
  for (let at = whole.indexOf(sought); at >= 0; at = whole.indexOf(sought, at + sought.length)) {
    const start = cuts.findLast(({ passed }) => passed <= at)?.at ?? 0;
    const end = cuts.find(({ passed }) => passed >= at + sought.length)?.at ?? text.length;
    const last = found.at(-1);
    if (last && start < last.end) last.end = end;
    else found.push({ start, end });
  }
  return found;
}

test.each([1, 2, 3, 4])("F1 F2: highlights are those of brute force, seed %d", (seed) => {
  const choices = new Random(seed);
  const random = (below: number): number => choices.integer(0, below - 1);
  const some = (most: number) =>
    Array.from({ length: 1 + random(most) }, () => CHARACTERS[random(CHARACTERS.length)]).join("");
  let found = 0;
  for (let round = 0; round < 5_000; round += 1) {
    const text = some(12);
    // Half of the queries are what the text says somewhere.
    const at = random(text.length);
    const query = random(2) === 0 ? some(3) : text.slice(at, at + 1 + random(4)).toWellFormed();
    const sought = normaliseQuery(query);
    const [normalised, lit] = [normalise(text), highlights(text, query)];
    expect(normalise(normalised)).toBe(normalised);
    expect(matches(text, query)).toBe(lit.length > 0);
    if (sought === "") continue;
    expect({ text, query, lit }).toEqual({ text, query, lit: litByBruteForce(text, sought) });
    found += lit.length;
    // The index must not lose what is there.
    if (lit.length > 0) expect(bigrams(normalised)).toEqual(expect.arrayContaining(bigrams(sought)));
  }
  expect(found).toBeGreaterThan(1_000);
});
