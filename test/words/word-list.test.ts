import { readFileSync } from "node:fs";
import path from "node:path";
import { soughtFor, termsOf } from "../../src/words/search-term.ts";
import { addNumbersOfAny, encodeList, formsIn, hasAny, listWords } from "../../src/words/word-list.ts";
import { formsOf } from "../../src/words/words.ts";

const page = readFileSync(path.join(import.meta.dirname, "..", "..", "docs", "sealing.md"), "utf8");

test.each([
  ["Claims", ["claims", "claim"]],
  ["claim", ["claim"]],
  ["denied", ["denied", "deni"]],
  ["Reclamación", ["reclamacion", "reclam"]],
  ["reclamaciones", ["reclamaciones", "reclamacion", "reclam"]],
  ["ÄRZTIN", ["arztin"]],
  ["e\u0301tude", ["etude", "etud"]],
  ["00123", ["00123"]],
  ["CLM77s", ["clm77s"]],
  ["ab", ["ab"]],
  ["x".repeat(60), ["x".repeat(40)]],
])("the forms of %s are %j", (word, forms) => {
  expect(formsOf(word)).toEqual(expect.arrayContaining(forms));
  expect(formsOf(word)[0]).toBe(forms[0]);
});

test("a list is encoded as the documentation shows it, and searched without taking it apart", () => {
  const [, json = "{}"] = /```json\n([^`]*"forms"[^`]*)```/.exec(page) ?? [];
  const vector: { forms: Record<string, number[]>; list: string } = JSON.parse(json);
  const list = encodeList(new Map(Object.entries(vector.forms)));
  expect(list).toHaveLength(256);
  expect(list.toString("hex")).toBe(vector.list.padEnd(512, "0"));
  const numbers = (query: string): number[] => {
    const found = new Set<number>();
    for (const term of termsOf(query)) addNumbersOfAny(list, soughtFor(term), found);
    return [...found].sort((a, b) => a - b);
  };
  expect(numbers("claim ")).toEqual(vector.forms["claim"]);
  expect(numbers("cli*")).toEqual(vector.forms["clinic"]);
  expect(numbers("cla ")).toEqual([]);
  expect(numbers("claim* clinic* ")).toEqual([...new Set(Object.values(vector.forms).flat())].sort((a, b) => a - b));
});

test("every number is found again, and whatever order they come in", () => {
  const numbers = [0, 1, 63, 64, 65, 4095, 4096, 262_143, 262_144, 16_777_215, 16_777_216, 1_000_000_000];
  const found = new Set<number>();
  const [term] = termsOf("word ");
  addNumbersOfAny(encodeList(new Map([["word", numbers.toReversed()]])), term ? soughtFor(term) : [], found);
  expect([...found]).toEqual(numbers);
});

test("a message's list has all its words once and is as long as a power of two", async () => {
  const list = await listWords(["Claim and claims", "claim"]);
  expect(formsIn(list)).toEqual(["claim", "and", "claims"]);
  expect(list).toHaveLength(256);
  expect(list.subarray(list.lastIndexOf("\n") + 1).every((byte) => byte === 0)).toBe(true);
  const long = await listWords([Array.from({ length: 300 }, (_, n) => `w${n}`).join(" ")]);
  expect(long).toHaveLength(2048);
  expect(hasAny(long, [Buffer.from("\nw299\t")])).toBe(true);
});
