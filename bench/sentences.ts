const LEADS = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ";
const KOREAN_PARTICLES = ["은", "는", "이", "가", "을", "를", "에", "에서", "도", "로", "이랑", "까지", ""];
const KOREAN_ENDINGS = [
  "습니다",
  "해요",
  "했어",
  "네요",
  "할게요",
  "하자",
  "인데",
  "거든",
  "ㅋㅋㅋ",
  "할까요?",
];
const JAPANESE_PARTICLES = ["は", "が", "を", "に", "で", "も", "の", "と"];
const JAPANESE_ENDINGS = ["です", "ます", "でした", "ました", "だよ", "かな？", "ですね"];
const KATAKANA = "アイウエオカキクケコサシスセソタチツテトナニネノハヒフホマミムメモラリルレロン";
const CONSONANTS = [
  "b",
  "br",
  "c",
  "d",
  "f",
  "g",
  "h",
  "l",
  "m",
  "n",
  "p",
  "r",
  "s",
  "st",
  "t",
  "th",
  "tr",
  "w",
];
const VOWELS = ["a", "e", "i", "o", "u", "ea", "ou"];
const ENGLISH_SMALL = [
  "the",
  "a",
  "to",
  "and",
  "of",
  "in",
  "is",
  "it",
  "you",
  "we",
  "at",
  "for",
  "on",
  "that",
];

/** Words with frequencies after Zipf: the n-th is 1/n as frequent as the first. */
class Vocabulary {
  readonly #words: string[];
  readonly #upTo: Float64Array;

  constructor(words: Iterable<string>) {
    this.#words = [...new Set(words)];
    this.#upTo = new Float64Array(this.#words.length);
    let sum = 0;
    for (let rank = 0; rank < this.#words.length; rank += 1) {
      sum += 1 / (rank + 1);
      this.#upTo[rank] = sum;
    }
  }

  pick(random: () => number): string {
    const at = random() * (this.#upTo.at(-1) ?? 0);
    let [low, high] = [0, this.#upTo.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#upTo[middle] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return this.#words[low] ?? "";
  }
}

/**
 * Sentences as people write them in chats, Korean for the most part, Japanese, Chinese and English beside it. Their words are
 * made up, of syllables and signs that are as unevenly frequent as those of a language.
 *
 * @param random numbers from 0 (inclusive) to 1 (exclusive)
 */
export function makeSentences(count: number, random: () => number): string[] {
  const between = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1));
  const one = (choices: readonly string[] | string): string =>
    choices[Math.floor(random() * choices.length)] ?? "";
  const times = (from: number, to: number, part: () => string): string =>
    Array.from({ length: between(from, to) }, part).join("");
  const words = (size: number, word: () => string) => new Vocabulary(Array.from({ length: size }, word));

  const syllables = new Vocabulary(
    Array.from({ length: 1_200 }, () => {
      const lead = one(LEADS).normalize("NFKC");
      const vowel = String.fromCharCode(0x1161 + between(0, 20));
      const tail = random() < 0.6 ? "" : String.fromCharCode(0x11a8 + between(0, 26));
      return `${lead}${vowel}${tail}`.normalize("NFC");
    }),
  );
  const signs = new Vocabulary(
    Array.from({ length: 2_500 }, () => String.fromCharCode(between(0x4e00, 0x8fff))),
  );
  const korean = words(20_000, () => times(2, 4, () => syllables.pick(random)));
  const kanji = words(10_000, () => times(1, 3, () => signs.pick(random)));
  const katakana = words(5_000, () => times(3, 5, () => one(KATAKANA)));
  const english = words(10_000, () => times(1, 3, () => one(CONSONANTS) + one(VOWELS)) + one(CONSONANTS));

  const sentence: Array<[share: number, make: () => string]> = [
    [
      0.55,
      () =>
        `${times(2, 7, () => `${korean.pick(random)}${one(KOREAN_PARTICLES)} `)}${korean.pick(random)}${one(KOREAN_ENDINGS)}`,
    ],
    [
      0.15,
      () =>
        `${times(2, 5, () => `${random() < 0.3 ? katakana.pick(random) : kanji.pick(random)}${one(JAPANESE_PARTICLES)}`)}${kanji.pick(random)}${one(JAPANESE_ENDINGS)}`,
    ],
    [0.15, () => `${times(4, 12, () => kanji.pick(random))}。`],
    [
      0.15,
      () =>
        `${times(4, 14, () => `${random() < 0.4 ? one(ENGLISH_SMALL) : english.pick(random)} `)}${english.pick(random)}.`,
    ],
  ];
  return Array.from({ length: count }, () => {
    let at = random();
    for (const [share, make] of sentence) {
      at -= share;
      if (at < 0) return make();
    }
    return korean.pick(random);
  });
}
