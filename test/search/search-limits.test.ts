import { encodeCursor } from "../../src/graphql/connection.ts";
import { newId } from "../../src/ids.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { sendMessage, sent } from "../support/mail.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { subjectsOf } from "../support/searching.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp();
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterAll(() => app.close());

describe("a search", () => {
  const document =
    "query ($id: ID!, $query: String!, $folders: [SearchFolder!], $first: Int, $after: String) { mailbox(id: $id) { search(query: $query, folders: $folders, first: $first, after: $after) { edges { cursor } } } }";
  test.each<[what: string, args: object, code: string | null]>([
    ["one word", { query: "word" }, null],
    ["one letter", { query: "a" }, null],
    ["nothing", { query: "" }, "INVALID_INPUT"],
    ["no word", { query: " *.,- " }, "INVALID_INPUT"],
    ["two hundred characters", { query: "a".repeat(200) }, null],
    ["one more", { query: "a".repeat(201) }, "LIMIT_EXCEEDED"],
    ["eight words", { query: "a b c d e f g h" }, null],
    ["nine words", { query: "a b c d e f g h i" }, "LIMIT_EXCEEDED"],
    ["a beginning of three letters", { query: "abc*" }, null],
    ["a beginning of two", { query: "ab*" }, "INVALID_INPUT"],
    ["no folder", { query: "word", folders: [] }, "INVALID_INPUT"],
    ["a page of 101", { query: "word", first: 101 }, "LIMIT_EXCEEDED"],
    ["a page of 0", { query: "word", first: 0 }, "INVALID_INPUT"],
    ["a cursor of its own", { query: "word", after: encodeCursor("search", START.getTime(), newId(START)) }, null],
    ["another cursor", { query: "word", after: encodeCursor("message", newId(START)) }, "INVALID_INPUT"],
    ["control characters", { query: "\0wo\nrd\t" }, null],
    ["lone surrogates", { query: "wo\ud800rd" }, null],
  ])("for %s: %s", async (_what, args, code) => {
    await expect(maria.client.refusals(document, { id: maria.mailboxId, ...args })).resolves.toEqual(code === null ? [] : [code]);
  });

  test("is refused where one operation asks for too many", async () => {
    const searches = (count: number): string =>
      `query ($id: ID!) { mailbox(id: $id) { ${Array.from({ length: count }, (_, n) => `s${n}: search(query: "word", first: 1) { edges { cursor } }`).join(" ")} } }`;
    await expect(maria.client.refusals(searches(9), { id: maria.mailboxId })).resolves.toEqual([]);
    await expect(maria.client.refusals(searches(10), { id: maria.mailboxId })).resolves.toEqual(["LIMIT_EXCEEDED"]);
  });

  test("repeats nothing of its words in the log", async () => {
    sent(await sendMessage(erin, { to: [maria.address], subject: "Plantedword" }));
    await expect(subjectsOf(maria, "plantedword")).resolves.toEqual(["Plantedword"]);
    await maria.client.refusals(document, { id: maria.mailboxId, query: "plantedword ".repeat(20) });
    expect(app.logged.join("\n")).not.toMatch(/plantedword/i);
  });
});
