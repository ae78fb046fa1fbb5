import { setImmediate } from "node:timers/promises";
import { formsOf, wordsOf } from "./words.ts";

/*
 * A list of word forms as bytes, made to be searched without taking it apart (docs/sealing.md has the format):
 *
 *   line feed | form in UTF-8 | tab | numbers | line feed | form | tab | numbers | … | line feed | zeros
 *
 * The numbers tell, in the list of a day, which messages have the form, ascending, each as its distance from the one
 * before in groups of six bits: 11xxxxxx where more follow, 10xxxxxx for the last. A message's own list has none.
 * Zeros fill it up to a power of two, so that the length of what is sealed says little.
 */
const LINE = 0x0a;
const TAB = 0x09;
const NUMBER = 0x80;
const MORE = 0xc0;
const SIX_BITS = 0x3f;
const LEAST_LENGTH = 256;

/** Different words of one message that are kept; the first ones win. */
export const MAX_WORDS = 4000;
/** Stemming so many words takes about a millisecond. */
const WORDS_AT_ONCE = 250;

/** Lists the forms of all words in these texts, without holding the event loop for long. */
export async function listWords(texts: readonly string[]): Promise<Buffer> {
  const words = new Set<string>();
  const forms = new Set<string>();
  for (const text of texts) {
    for (const { text: word } of wordsOf(text)) {
      if (words.has(word)) continue;
      if (words.size === MAX_WORDS) return encodeList(forms);
      words.add(word);
      for (const form of formsOf(word)) forms.add(form);
      if (words.size % WORDS_AT_ONCE === 0) await setImmediate();
    }
  }
  return encodeList(forms);
}

/** The forms in a list without numbers. */
export function formsIn(list: Buffer): string[] {
  return list.toString("utf8", 1, list.lastIndexOf(TAB)).split("\t\n");
}

/** Encodes forms, each with the numbers of the messages that have it. */
export function encodeList(forms: Iterable<string> | ReadonlyMap<string, readonly number[]>): Buffer {
  const parts: Buffer[] = [];
  for (const entry of forms) {
    const [form, numbers] = typeof entry === "string" ? [entry, []] : entry;
    parts.push(Buffer.from(`\n${form}\t`), encodeNumbers(numbers));
  }
  parts.push(Buffer.of(LINE));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat(parts, Math.max(LEAST_LENGTH, 2 ** Math.ceil(Math.log2(length))));
}

/** Looks for forms: a whole one is found as `wholeForm`, the beginning of one as `beginning` writes it. */
export const wholeForm = (form: string): Buffer => Buffer.from(`\n${form}\t`);
export const beginning = (prefix: string): Buffer => Buffer.from(`\n${prefix}`);

/** Whether a list has any of these. */
export function hasAny(list: Buffer, sought: readonly Buffer[]): boolean {
  return sought.some((bytes) => list.includes(bytes));
}

/** Adds the numbers beside all forms that are any of these. */
export function addNumbersOfAny(list: Buffer, sought: readonly Buffer[], numbers: Set<number>): void {
  for (const bytes of sought) {
    for (let at = list.indexOf(bytes); at >= 0; at = list.indexOf(bytes, at + bytes.length)) addNumbers(list, list.indexOf(TAB, at) + 1, numbers);
  }
}

function encodeNumbers(numbers: readonly number[]): Buffer {
  const bytes: number[] = [];
  let before = 0;
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const distance = number - before;
    for (let shift = 24; shift > 0; shift -= 6) if (distance >= 2 ** shift) bytes.push(MORE | ((distance >> shift) & SIX_BITS));
    bytes.push(NUMBER | (distance & SIX_BITS));
    before = number;
  }
  return Buffer.from(bytes);
}

function addNumbers(list: Buffer, start: number, into: Set<number>): void {
  let number = 0;
  let distance = 0;
  for (let at = start, byte = list[at] ?? 0; byte >= NUMBER; byte = list[(at += 1)] ?? 0) {
    distance = (distance << 6) | (byte & SIX_BITS);
    if (byte >= MORE) continue;
    number += distance;
    distance = 0;
    into.add(number);
  }
}
