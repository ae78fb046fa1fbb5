import { SaveDraftWholeDocument } from "../../operations/generated/operations.ts";
import { after, DAY, MINUTE, SECOND } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { HolderRole } from "../../src/mailboxes/mailbox-holder.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { deliver, forwardMessage, type Letter, messagesOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { hitsOf, searchPage, subjectsOf } from "../support/searching.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp();
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterEach(() => app.close());

/** Delivers to Maria a second later than what came before. */
async function arrive(letter: Omit<Letter, "to">) {
  app.clock.advance(SECOND);
  return deliver(erin, maria, letter);
}

describe("a word is found", () => {
  test.each<[what: string, letter: Omit<Letter, "to">, queries: string[]]>([
    ["in the subject", { subject: "Your deductible" }, ["deductible", "DEDUCTIBLE", "your deductible", "deductible your", " deductible, "]],
    ["in the body", { text: "We have reviewed the referral." }, ["referral", "reviewed referral"]],
    ["in a body of HTML", { html: "<p>We have <b>reviewed</b> the referral.</p>" }, ["referral"]],
    ["by its beginning", { text: "Physiotherapy" }, ["phy*", "physio*", "physiotherapy*", "phy", "physiother", "PHYSIO*"]],
    ["whatever its accents", { text: "Médico, Ärztin, naïve, señor" }, ["medico", "médico", "MÉDICO", "arztin", "Ärztin", "naive", "senor", "me\u0301dico"]],
    [
      "whatever its English ending",
      { text: "The claims were denied; appealing helps." },
      ["claim", "claims", "claimed", "deny", "denied", "appeal", "appeals"],
    ],
    [
      "whatever its Spanish ending",
      { text: "Las reclamaciones de los pacientes; un tratamiento." },
      ["reclamación", "reclamacion", "paciente", "tratamientos"],
    ],
    ["that is a number", { text: "Claim CLM-2024-00123 of 03/02" }, ["00123", "CLM-2024-00123", "2024", "clm 00123", "001*"]],
    ["beside other words, and all must be there", { subject: "Apple", text: "Banana" }, ["apple banana", "banana apple", "app* banana"]],
    ["by the sender's name and address", { text: "Hello" }, ["erin", "erin@insurer.example", "insurer", "test erin"]],
    ["in other scripts", { text: "Добрый день" }, ["добрый", "доб*", "ДЕНЬ"]],
  ])("%s", async (_what, letter, queries) => {
    await arrive({ subject: "Something else", text: "Nothing of the kind" });
    await arrive({ subject: "Found", ...letter });
    for (const query of queries) expect([query, (await subjectsOf(maria, query)).includes(letter.subject ?? "Found")]).toEqual([query, true]);
    await expect(subjectsOf(maria, "absent")).resolves.toEqual([]);
    for (const query of queries.filter((query) => !/erin|insurer/.test(query))) await expect(subjectsOf(maria, `${query} absent`)).resolves.toEqual([]);
  });

  test("in the names of its files, those that were passed on included, and never in the files", async () => {
    const attachmentIds = [
      await erin.client.uploaded("Kostenübersicht March.txt", "confidential plantedword"),
      await erin.client.uploaded("invoice-77.txt", "x"),
    ];
    const { id } = await arrive({ subject: "With files", attachmentIds });
    await expect(subjectsOf(maria, "kostenubersicht")).resolves.toEqual(["With files"]);
    await expect(subjectsOf(maria, "invoice 77")).resolves.toEqual(["With files"]);
    await expect(subjectsOf(maria, "plantedword")).resolves.toEqual([]);
    await openMessage(maria, id);
    app.clock.advance(SECOND);
    sent(await forwardMessage(maria, id, { to: [erin.address] }));
    await expect(subjectsOf(erin, "invoice 77")).resolves.toEqual(["Fwd: With files", "With files"]);
  });

  test("as a whole word only where something follows it, or where it has fewer than three letters", async () => {
    await arrive({ subject: "Cardiology" });
    await expect(subjectsOf(maria, "card")).resolves.toEqual(["Cardiology"]);
    for (const query of ["card ", "card.", "card cardiology", "ca"]) await expect(subjectsOf(maria, query)).resolves.toEqual([]);
    await expect(subjectsOf(maria, "card* cardiology ")).resolves.toEqual(["Cardiology"]);
  });

  test("among the first four thousand different words of a message", async () => {
    const words = Array.from({ length: 4100 }, (_, n) => `w${n}x`);
    await arrive({ subject: "Long", text: words.join(" ") });
    await expect(subjectsOf(maria, "w3900x ")).resolves.toEqual(["Long"]);
    await expect(subjectsOf(maria, "w4099x ")).resolves.toEqual([]);
  });
});

test("what is found comes newest first, page by page without gap or overlap, drafts among the messages", async () => {
  const expected: string[] = [];
  for (let n = 0; n < 12; n += 1) {
    if (n % 3 === 0) await saveDraft({ subject: `No. ${n} wanted` });
    else await arrive({ subject: `No. ${n} wanted` });
    if (n % 2 === 0) await arrive({ subject: "Other" });
    expected.unshift(`No. ${n} wanted`);
    app.clock.advance(SECOND);
  }
  await expect(subjectsOf(maria, "wanted")).resolves.toEqual(expected);
  for (const first of [1, 2, 5, 12]) {
    const found: string[] = [];
    for (let cursor: string | null = null; ;) {
      const { edges, pageInfo } = await searchPage(maria, "wanted", { first, after: cursor });
      found.push(...edges.map(({ node }) => node.found.subject));
      expect(pageInfo.endCursor).toBe(edges.at(-1)?.cursor);
      if (!pageInfo.hasNextPage) break;
      expect(edges).toHaveLength(first);
      cursor = pageInfo.endCursor;
    }
    expect(found).toEqual(expected);
  }
  const { data } = await maria.client.send<{ mailbox: { search: { edges: unknown[] } } }>(
    'query ($id: ID!) { mailbox(id: $id) { search(query: "wanted") { edges { cursor } } } }',
    { id: maria.mailboxId },
  );
  expect(data?.mailbox.search.edges).toHaveLength(12);
});

test("drafts are found by their words and the names of their files, as they were last saved", async () => {
  const file = await maria.client.uploaded("xray.txt", "x");
  const draftId = await saveDraft({ subject: "Question", body: { text: "About my knee" }, attachmentIds: [file] });
  await arrive({ subject: "Something else" });
  for (const query of ["question", "knees", "xray", "question knee xray"]) {
    const [hit] = await hitsOf(maria, query);
    expect(hit?.found).toMatchObject({ __typename: "Draft", id: draftId, subject: "Question" });
  }
  await expect(hitsOf(erin, "knee")).resolves.toEqual([]);
  await saveDraft({ draftId, subject: "Question", body: { text: "About my elbow" }, attachmentIds: [file] });
  await expect(subjectsOf(maria, "knee")).resolves.toEqual([]);
  await expect(subjectsOf(maria, "elbow")).resolves.toEqual(["Question"]);
  sent(await sendMessage(maria, { to: [erin.address], subject: "Sent", text: "elbow", draftId }));
  expect((await hitsOf(maria, "elbow")).map(({ found }) => found.__typename)).toEqual(["Message"]);
  await expect(subjectsOf(maria, "xray")).resolves.toEqual([]);
});

test("the answer says where was looked, which is everywhere but where it was asked otherwise", async () => {
  const kept = await arrive({ subject: "Wanted archived" });
  await arrive({ subject: "Wanted inbox" });
  app.clock.advance(SECOND);
  sent(await sendMessage(maria, { to: [erin.address], subject: "Wanted sent" }));
  app.clock.advance(SECOND);
  await saveDraft({ subject: "Wanted draft" });
  await maria.client.send("mutation ($id: ID!) { moveToFolder(input: { messageIds: [$id], folder: ARCHIVE }) { __typename } }", { id: kept.id });
  const all = await searchPage(maria, "wanted");
  expect(all.searchedFolders).toEqual(["INBOX", "SENT", "ARCHIVE", "TRASH", "DRAFTS"]);
  expect(all.edges.map(({ node }) => node.found.subject)).toEqual(["Wanted draft", "Wanted sent", "Wanted inbox", "Wanted archived"]);
  for (const [folder, subject] of [
    ["INBOX", "Wanted inbox"],
    ["SENT", "Wanted sent"],
    ["ARCHIVE", "Wanted archived"],
    ["DRAFTS", "Wanted draft"],
  ] as const) {
    const one = await searchPage(maria, "wanted", { folders: [folder] });
    expect(one).toMatchObject({ searchedFolders: [folder], edges: [{ node: { found: { subject } } }] });
  }
  await expect(subjectsOf(maria, "wanted", { folders: ["TRASH"] })).resolves.toEqual([]);
  await expect(searchPage(maria, "wanted", { filter: { unread: true } })).resolves.toMatchObject({
    searchedFolders: ["INBOX", "SENT", "ARCHIVE", "TRASH"],
    edges: [{ node: { found: { subject: "Wanted inbox" } } }, { node: { found: { subject: "Wanted archived" } } }],
  });
});

test("a filter lets through what it names, drafts included where it fits them", async () => {
  await arrive({ subject: "Wanted 0", priority: "URGENT" });
  const since = app.clock.now().toISOString();
  await arrive({ subject: "Wanted 1", attachmentIds: [await erin.client.uploaded("a.txt", "a")] });
  const until = after(app.clock.now(), SECOND).toISOString();
  await arrive({ subject: "Wanted 2" });
  app.clock.advance(SECOND);
  await saveDraft({ subject: "Wanted 3", priority: "URGENT", attachmentIds: [await maria.client.uploaded("b.txt", "b")] });
  const numbers = async (filter: Parameters<typeof searchPage>[2]): Promise<string> =>
    (await subjectsOf(maria, "wanted", filter)).map((subject) => subject.slice(-1)).join("");
  await expect(numbers({})).resolves.toBe("3210");
  await expect(numbers({ filter: { priority: ["URGENT"] } })).resolves.toBe("30");
  await expect(numbers({ filter: { hasAttachments: true } })).resolves.toBe("31");
  await expect(numbers({ filter: { hasAttachments: false } })).resolves.toBe("20");
  await expect(numbers({ filter: { since } })).resolves.toBe("3210");
  await expect(numbers({ filter: { since: after(new Date(since), 1).toISOString() } })).resolves.toBe("321");
  await expect(numbers({ filter: { until } })).resolves.toBe("10");
  await expect(numbers({ filter: { from: erin.address } })).resolves.toBe("210");
  await expect(numbers({ filter: { from: maria.address } })).resolves.toBe("");
  await expect(numbers({ filter: { unread: false } })).resolves.toBe("");
});

describe("snippets", () => {
  test("show the words around what was found, and where they are", async () => {
    const text = `${"filler ".repeat(60)}\nThe claims of José are here. ${"padding ".repeat(60)}`;
    const { id } = await arrive({ subject: "About claiming", text, attachmentIds: [await erin.client.uploaded("claim-form.txt", "x")] });
    await openMessage(maria, id);
    const [hit] = await hitsOf(maria, "jose claim");
    const marked = hit?.snippets.map(({ field, text, highlights }) => [field, highlights.map(({ start, length }) => text.slice(start, start + length))]);
    expect(marked).toEqual([
      ["SUBJECT", ["claiming"]],
      ["BODY", ["claims", "José"]],
      ["ATTACHMENT", ["claim"]],
    ]);
    const body = hit?.snippets[1]?.text ?? "";
    expect(body).toMatch(/^…(filler )+ The claims of José are here\. padding/);
    expect(body).toMatch(/…$/);
    expect(body.length).toBeLessThanOrEqual(202);
    const [bySender] = await hitsOf(maria, "erin");
    expect(bySender?.snippets).toEqual([
      {
        field: "FROM",
        text: "Test erin <erin@insurer.example>",
        highlights: [
          { start: 5, length: 4 },
          { start: 11, length: 4 },
        ],
      },
    ]);
  });

  test("of a message that was not opened show no more than its row does, and do not open it", async () => {
    const text = `First words. ${"filler ".repeat(60)} diagnosis`;
    const { id } = await arrive({ subject: "Result", text });
    const [hit] = await hitsOf(maria, "diagnosis");
    expect(hit).toMatchObject({ found: { id, isRead: false }, snippets: [] });
    const [byPreview] = await hitsOf(maria, "first diagnosis");
    expect(byPreview?.snippets).toMatchObject([{ field: "BODY", highlights: [{ start: 0, length: 5 }] }]);
    expect(JSON.stringify(byPreview)).not.toContain("diagnosis");
    expect((await eventsOf(app, maria.mailboxKey)).map(({ action }) => action)).not.toContain("message.opened");
    await openMessage(maria, id);
    const [opened] = await hitsOf(maria, "diagnosis");
    expect(opened?.snippets).toMatchObject([{ field: "BODY", text: expect.stringMatching(/diagnosis$/) }]);
    expect((await eventsOf(app, maria.mailboxKey)).filter(({ action }) => /opened|viewed/.test(action))).toHaveLength(1);
    expect((await hitsOf(erin, "diagnosis"))[0]?.snippets).toMatchObject([{ field: "BODY" }]); // who wrote it, has read it
  });

  test("cut no character in half", async () => {
    const { id } = await arrive({ subject: "Faces", text: `${"😀".repeat(100)} target ${"😀".repeat(200)}` });
    await openMessage(maria, id);
    const [hit] = await hitsOf(maria, "target");
    const [snippet] = hit?.snippets ?? [];
    expect(snippet?.text.isWellFormed()).toBe(true);
    expect(snippet?.text).not.toContain("�");
    expect(snippet?.highlights).toEqual([{ start: snippet?.text.indexOf("target"), length: 6 }]);
  });
});

describe("nobody finds", () => {
  test("what lies in somebody else's mailbox", async () => {
    const tom = await member(app, "tom");
    await arrive({ subject: "Wanted" });
    await expect(subjectsOf(maria, "wanted")).resolves.toEqual(["Wanted"]);
    await expect(subjectsOf(tom, "wanted")).resolves.toEqual([]);
    const query = 'query ($id: ID!) { mailbox(id: $id) { search(query: "wanted") { edges { cursor } } } }';
    await expect(tom.client.refusals(query, { id: maria.mailboxId })).resolves.toEqual(["NOT_FOUND"]);
    await expect(maria.client.refusals(query, { id: maria.mailboxId })).resolves.toEqual([]);
  });

  test("anything in a team's mailbox any more once they have left it", async () => {
    const frank = await employee(app, "frank");
    const team = await createTeam(app, "claims", [erin], HolderRole.READER);
    sent(await sendMessage(frank, { to: [team.address], subject: "Wanted" }));
    await expect(subjectsOf(erin, "wanted", { mailboxId: team.mailboxId })).resolves.toEqual(["Wanted"]);
    await sql(app, "update mailbox_holders set ends_at = $1 where mailbox_id = $2", [app.clock.now(), team.mailboxKey]);
    await expect(subjectsOf(erin, "wanted", { mailboxId: team.mailboxId })).rejects.toThrow("NOT_FOUND");
  });

  test("what has expired, from that instant on, and the sweep takes the words with the message", async () => {
    app.clock.moveTo(START);
    await arrive({ subject: "Wanted" });
    const expiry = after(app.clock.now(), RETENTION_DAYS * DAY);
    app.clock.moveTo(after(expiry, -SECOND));
    maria = { ...maria, client: await Client.signIn(app.url, "maria", PASSWORD) };
    await expect(subjectsOf(maria, "wanted")).resolves.toEqual(["Wanted"]);
    app.clock.moveTo(expiry);
    await expect(subjectsOf(maria, "wanted")).resolves.toEqual([]);
    await expect(sql(app, "select message_id from search_words")).resolves.toHaveLength(1);
    await expireMessages(app.ctx());
    await expect(sql(app, "select message_id from search_words")).resolves.toEqual([]);
  });

  test("what was deleted", async () => {
    const { id } = await arrive({ subject: "Wanted" });
    await expect(subjectsOf(maria, "wanted")).resolves.toEqual(["Wanted"]);
    await maria.client.send("mutation ($id: ID!) { deleteMessages(input: { messageIds: [$id] }) { __typename } }", { id });
    await expect(subjectsOf(maria, "wanted")).resolves.toEqual([]);
    await expect(subjectsOf(erin, "wanted")).resolves.toEqual(["Wanted"]);
  });
});

test("replies are found, too", async () => {
  const { id } = await arrive({ subject: "Wanted" });
  await openMessage(maria, id);
  app.clock.advance(MINUTE);
  sent(await replyToMessage(maria, id, { text: "Thanks a bunch" }));
  await expect(subjectsOf(erin, "bunch")).resolves.toEqual(["Re: Wanted"]);
  expect(await messagesOf(erin)).toHaveLength(1);
});

async function saveDraft(input: object): Promise<string> {
  const { saveDraft: saved } = await maria.client.run(SaveDraftWholeDocument, { input: { mailboxId: maria.mailboxId, ...input } });
  if (!("draft" in saved)) throw new Error(`The draft was refused: ${saved.code}`);
  return saved.draft.id;
}
