import { stemmer as englishStem } from "@orama/stemmers/english";
import { stemmer as spanishStem } from "@orama/stemmers/spanish";

/** Characters of one text that are looked at; what follows is not found. */
export const MAX_SEARCHED_LENGTH = 100_000;
/** Longer words are cut, in messages and in queries alike. */
const MAX_WORD_LENGTH = 40;
/** What is shorter has no ending to take off. */
const MIN_STEMMED_LENGTH = 3;

/** A word as it stands in a text. */
export interface Word {
  readonly text: string;
  /** Where it begins, in UTF-16 code units. */
  readonly start: number;
}

/** The words of a text, in order: letters and digits with the marks on them. */
export function* wordsOf(text: string): Generator<Word> {
  for (const match of text.slice(0, MAX_SEARCHED_LENGTH).matchAll(/[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu)) yield { text: match[0], start: match.index };
}

/** A word in lower case and without accents. */
export function plainWord(word: string): string {
  return withoutMarks(lowered(word));
}

/**
 * The forms of a word: its plain one, then its English and its Spanish stem where they differ. Two words are one to the
 * search when they share a form. Nobody knows the language of a word, so both stems count.
 */
export function formsOf(word: string): string[] {
  const lower = lowered(word);
  const plain = withoutMarks(lower);
  if (plain.length < MIN_STEMMED_LENGTH || !/^\p{L}+$/u.test(plain)) return [plain];
  // Spanish endings are told by their accents: "reclamación", "reclamaciones".
  return [...new Set([plain, englishStem(plain), withoutMarks(spanishStem(lower))])];
}

function lowered(word: string): string {
  return word.toLowerCase().normalize("NFC").slice(0, MAX_WORD_LENGTH);
}

function withoutMarks(word: string): string {
  return /^[a-z\d]*$/.test(word) ? word : word.normalize("NFKD").replace(/\p{M}+/gu, "");
}
