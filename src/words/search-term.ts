import { ProblemCode, refuse, withinLimit } from "../problem.ts";
import { beginning, wholeForm } from "./word-list.ts";
import { formsOf, plainWord, type Word, wordsOf } from "./words.ts";

const MAX_QUERY_LENGTH = 200;
const MAX_TERMS = 8;
const MIN_PREFIX_LENGTH = 3;

/** One word of a query: what is found shares a form with it, or begins like it. */
export interface Term {
  readonly forms: readonly string[];
  /** Null where only whole words are meant. */
  readonly prefix: string | null;
}

/**
 * Takes a query apart: all its words must be found. A word with `*` behind it stands for all that begin like it, and so
 * does, beside its inflections, the last word while it is being typed: with three letters or more and nothing after it.
 */
export function termsOf(query: string): Term[] {
  withinLimit(query.length, MAX_QUERY_LENGTH, "query", "Characters of a query");
  const words = [...query.matchAll(/([\p{L}\p{N}][\p{L}\p{N}\p{M}]*)(\*?)/gu)];
  if (words.length === 0) refuse(ProblemCode.INVALID_INPUT, "Say at least one word to search for.", { field: "query" });
  withinLimit(words.length, MAX_TERMS, "query", "Words of a query");
  return words.map(({ 0: whole, 1: word = "", 2: star, index }) => {
    const prefix = plainWord(word);
    const isLong = prefix.length >= MIN_PREFIX_LENGTH;
    if (star === "") return { forms: formsOf(word), prefix: isLong && index + whole.length === query.length ? prefix : null };
    if (!isLong) refuse(ProblemCode.INVALID_INPUT, `The beginning of a word has at least ${MIN_PREFIX_LENGTH} letters.`, { field: "query" });
    return { forms: [], prefix };
  });
}

/** What the words begin with that a term means. */
export function beginningsOf({ forms, prefix }: Term): string[] {
  return prefix === null ? [...forms] : [...forms, prefix];
}

/** What to look for in a list of words: any of these. */
export function soughtFor({ forms, prefix }: Term): Buffer[] {
  return [...forms.map(wholeForm), ...(prefix === null ? [] : [beginning(prefix)])];
}

/** A word of a text, and the terms that mean it. */
export interface Occurrence extends Word {
  readonly terms: readonly Term[];
}

/** Where a text has what the terms mean, in order. */
export function occurrencesIn(text: string, terms: readonly Term[]): Occurrence[] {
  const initials = new Set(terms.flatMap(beginningsOf).map((form) => form[0]));
  const known = new Map<string, Term[]>();
  const found: Occurrence[] = [];
  for (const word of wordsOf(text)) {
    // No form of a word begins with another letter, and most words are told apart by it alone.
    if (!initials.has(plainWord(word.text)[0])) continue;
    let meant = known.get(word.text);
    if (meant === undefined) {
      const ofWord = formsOf(word.text);
      meant = terms.filter(({ forms, prefix }) => ofWord.some((form) => forms.includes(form) || (prefix !== null && form.startsWith(prefix))));
      known.set(word.text, meant);
    }
    if (meant.length > 0) found.push({ ...word, terms: meant });
  }
  return found;
}
