import type { FolderQueryVariables, MessageFilter, MessageRowFragment } from "../../operations/generated/operations.ts";
import { MINUTE, SECOND } from "../../src/clock.ts";
import { newId } from "../../src/ids.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { folderOf, messagesOf, newestOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";

let app: TestApp;
let erin: SignedInPerson;
let frank: SignedInPerson;
let maria: SignedInPerson;
let all: MessageRowFragment[];

/** Maria's INBOX: 24 messages a minute apart that differ in everything a filter asks for. */
beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 10_000, hours: 1000 } } });
  [erin, frank, maria] = [await employee(app, "erin"), await employee(app, "frank"), await member(app, "maria")];
  const priorities = ["LOW", "NORMAL", "HIGH", "URGENT"] as const;
  for (let n = 0; n < 24; n += 1) {
    const from = n % 3 === 0 ? frank : erin;
    const attachmentIds = n % 5 === 0 ? [await from.client.uploaded(`${n}.txt`, `${n}`)] : [];
    sent(await sendMessage(from, { to: [maria.address], subject: `${n}`, attachmentIds, ...pick(priorities[n % 4]) }));
    app.clock.advance(MINUTE);
  }
  const ids = (await messagesOf(maria)).map(({ id }) => id);
  const some = (step: number): string[] => ids.filter((_, n) => n % step === 0);
  await maria.client.send("mutation ($ids: [ID!]!) { markRead(input: { messageIds: $ids }) { __typename } }", { ids: some(2) });
  await maria.client.send("mutation ($ids: [ID!]!) { flag(input: { messageIds: $ids }) { __typename } }", { ids: some(7) });
  all = await messagesOf(maria);
});

afterAll(() => app.close());

test("a folder is listed newest first, without what lies elsewhere", async () => {
  expect(all.map(({ subject }) => subject)).toEqual(Array.from({ length: 24 }, (_, n) => `${23 - n}`));
  expect(new Set(all.map(({ folder }) => folder))).toEqual(new Set(["INBOX"]));
  for (const folder of ["SENT", "ARCHIVE", "TRASH"] as const) expect(await messagesOf(maria, { folder })).toEqual([]);
  expect(await messagesOf(erin, { folder: "SENT" })).toHaveLength(16);
});

test("a page has 25 where nothing is said, and the folder is the INBOX", async () => {
  const { data } = await maria.client.send<{ mailbox: { messages: { edges: { node: { id: string } }[] } } }>(
    "query ($id: ID!) { mailbox(id: $id) { messages { edges { node { id } } } } }",
    { id: maria.mailboxId },
  );
  expect(data?.mailbox.messages.edges.map(({ node }) => node.id)).toEqual(all.map(({ id }) => id));
  const crowded = await member(app, "crowded");
  for (let n = 0; n < 26; n += 1) sent(await sendMessage(erin, { to: [crowded.address] }));
  const page = await crowded.client.send<{ mailbox: { messages: { edges: unknown[]; pageInfo: { hasNextPage: boolean } } } }>(
    "query ($id: ID!) { mailbox(id: $id) { messages { edges { cursor } pageInfo { hasNextPage } } } }",
    { id: crowded.mailboxId },
  );
  expect(page.data?.mailbox.messages).toMatchObject({ edges: { length: 25 }, pageInfo: { hasNextPage: true } });
});

describe("pages", () => {
  const filters: [string, MessageFilter | null][] = [
    ["everything", null],
    ["a filter", { unread: true }],
  ];
  const cases = filters.flatMap(([what, filter]) => [1, 5, 12, 24, 100].map((size) => ({ what, filter, size })));

  test.each(cases)("of $size join without gap or overlap over $what, from either end", async ({ filter, size }) => {
    const expected = await messagesOf(maria, { filter });
    expect(expected.length).toBeGreaterThan(10);
    const forwards: MessageRowFragment[] = [];
    for (let after: string | null = null; ;) {
      const { edges, pageInfo }: Page = await pageOf({ first: size, after, filter });
      forwards.push(...edges.map(({ node }) => node));
      expect(pageInfo).toMatchObject({ hasPreviousPage: after !== null, startCursor: edges[0]?.cursor, endCursor: edges.at(-1)?.cursor });
      if (!pageInfo.hasNextPage) break;
      expect(edges).toHaveLength(size);
      after = pageInfo.endCursor;
    }
    expect(forwards).toEqual(expected);

    const backwards: MessageRowFragment[] = [];
    for (let before: string | null = null; ;) {
      const { edges, pageInfo }: Page = await pageOf({ last: size, before, filter });
      backwards.unshift(...edges.map(({ node }) => node));
      expect(pageInfo).toMatchObject({ hasNextPage: before !== null, startCursor: edges[0]?.cursor, endCursor: edges.at(-1)?.cursor });
      if (!pageInfo.hasPreviousPage) break;
      expect(edges).toHaveLength(size);
      before = pageInfo.startCursor;
    }
    expect(backwards).toEqual(expected);
  });

  test("can be cut out between two cursors", async () => {
    const { edges } = await pageOf({ first: 100 });
    const [after, before] = [edges[3]?.cursor ?? "", edges[9]?.cursor ?? ""];
    const between = all.slice(4, 9).map(({ id }) => id);
    expect((await pageOf({ first: 100, after, before })).edges.map(({ node }) => node.id)).toEqual(between);
    expect((await pageOf({ last: 100, after, before })).edges.map(({ node }) => node.id)).toEqual(between);
    expect((await pageOf({ first: 2, after, before })).edges.map(({ node }) => node.id)).toEqual(between.slice(0, 2));
    expect((await pageOf({ last: 2, after, before })).edges.map(({ node }) => node.id)).toEqual(between.slice(-2));
  });

  test("that are empty say so", async () => {
    const { edges } = await pageOf({ first: 100 });
    for (const args of [
      { first: 5, after: edges.at(-1)?.cursor },
      { last: 5, before: edges[0]?.cursor },
      { first: 5, filter: { from: "nobody@clinic.example" } },
    ]) {
      expect(await pageOf(args)).toMatchObject({ edges: [], pageInfo: { startCursor: null, endCursor: null } });
    }
  });

  test("stay where they were when messages arrive or go", async () => {
    const lena = await member(app, "lena");
    const arrive = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 1) {
        app.clock.advance(SECOND);
        sent(await sendMessage(erin, { to: [lena.address] }));
      }
    };
    await arrive(6);
    const before = (await messagesOf(lena)).map(({ id }) => id);
    const { messages: first } = await folderOf(lena, { first: 3 });
    await arrive(4);
    await lena.client.send("mutation ($id: ID!) { deleteMessages(input: { messageIds: [$id] }) { __typename } }", { id: before[2] });
    const { messages: second } = await folderOf(lena, { first: 3, after: first.pageInfo.endCursor });
    expect(second.edges.map(({ node }) => node.id)).toEqual(before.slice(3));
    const newer = await folderOf(lena, { last: 100, before: first.pageInfo.startCursor });
    expect(newer.messages.edges.map(({ node }) => node.id)).toEqual((await messagesOf(lena)).slice(0, 4).map(({ id }) => id));
  });

  test("of a thread are oldest first, from either end, over all folders", async () => {
    const nora = await member(app, "nora");
    sent(await sendMessage(erin, { to: [nora.address], subject: "0" }));
    for (let n = 1; n < 6; n += 1) {
      app.clock.advance(SECOND);
      const from = n % 2 === 1 ? nora : erin;
      const { id } = await newestOf(from);
      await openMessage(from, id);
      sent(await replyToMessage(from, id, { text: `${n}` }));
    }
    const { thread } = await newestOf(nora);
    const pages = async (first: boolean): Promise<string[]> => {
      const found: string[] = [];
      for (let cursor: string | null = null; ;) {
        const { edges, pageInfo } = await threadPage(nora, thread.id, first ? "first: 4, after" : "last: 4, before", cursor);
        const previews = edges.map(({ node }) => node.preview);
        if (first) found.push(...previews);
        else found.unshift(...previews);
        if (!(first ? pageInfo.hasNextPage : pageInfo.hasPreviousPage)) return found;
        cursor = first ? pageInfo.endCursor : pageInfo.startCursor;
      }
    };
    expect(await pages(true)).toEqual(["Some words.", "1", "2", "3", "4", "5"]);
    expect(await pages(false)).toEqual(await pages(true));
  });
});

describe("a page's arguments", () => {
  const mailbox =
    "query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { mailbox(id: $id) { messages(first: $first, after: $after, last: $last, before: $before) { edges { cursor } } } }";
  const uuid = newId(START);
  const cursor = (text: string): string => Buffer.from(text).toString("base64url");

  test.each<[what: string, args: object, code: string | null]>([
    ["first 1", { first: 1 }, null],
    ["first 100", { first: 100 }, null],
    ["last 100", { last: 100 }, null],
    ["first 101", { first: 101 }, "LIMIT_EXCEEDED"],
    ["last 101", { last: 101 }, "LIMIT_EXCEEDED"],
    ["first 0", { first: 0 }, "INVALID_INPUT"],
    ["last 0", { last: 0 }, "INVALID_INPUT"],
    ["first -1", { first: -1 }, "INVALID_INPUT"],
    ["last -1", { last: -1 }, "INVALID_INPUT"],
    ["first and last", { first: 1, last: 1 }, "INVALID_INPUT"],
    ["a cursor of its own", { after: cursor(`message ${uuid}`) }, null],
    ["an empty cursor", { after: "" }, "INVALID_INPUT"],
    ["a cursor of words", { after: "next" }, "INVALID_INPUT"],
    ["a cursor before of words", { before: "next" }, "INVALID_INPUT"],
    ["a cursor of a thread", { after: cursor(`thread ${uuid}`) }, "INVALID_INPUT"],
    ["a cursor of a feed", { after: cursor("feed 1") }, "INVALID_INPUT"],
    ["a cursor that is no UUID", { after: cursor("message 1") }, "INVALID_INPUT"],
    ["a cursor with more", { after: cursor(`message ${uuid} 1`) }, "INVALID_INPUT"],
    ["a cursor with SQL", { after: cursor(`message ${uuid}' or true`) }, "INVALID_INPUT"],
    ["a cursor in upper case", { after: cursor(`message ${uuid.toUpperCase()}`) }, "INVALID_INPUT"],
    ["an endless cursor", { after: cursor(`message ${uuid}`) + "A".repeat(200) }, "INVALID_INPUT"],
  ])("%s: %s", async (_what, args, code) => {
    expect(await maria.client.refusals(mailbox, { id: maria.mailboxId, ...args })).toEqual(code === null ? [] : [code]);
  });
});

describe("a filter lists exactly what it names", () => {
  const minute = (n: number): string => new Date(START.getTime() + n * MINUTE).toISOString();
  const cases: [filter: MessageFilter, holds: (row: MessageRowFragment) => boolean][] = [
    [{}, () => true],
    [{ unread: true }, ({ isRead }) => !isRead],
    [{ unread: false }, ({ isRead }) => isRead],
    [{ unread: null }, () => true],
    [{ flagged: true }, ({ isFlagged }) => isFlagged],
    [{ flagged: false }, ({ isFlagged }) => !isFlagged],
    [{ hasAttachments: true }, ({ attachmentCount }) => attachmentCount > 0],
    [{ hasAttachments: false }, ({ attachmentCount }) => attachmentCount === 0],
    [{ priority: ["URGENT"] }, ({ priority }) => priority === "URGENT"],
    [{ priority: ["LOW", "HIGH"] }, ({ priority }) => priority === "LOW" || priority === "HIGH"],
    [{ from: "frank@insurer.example" }, ({ from }) => from.address === frank.address],
    [{ from: " Frank <FRANK@Insurer.example> " }, ({ from }) => from.address === frank.address],
    [{ since: minute(10) }, ({ sentAt }) => sentAt >= minute(10)],
    [{ until: minute(10) }, ({ sentAt }) => sentAt < minute(10)],
    [{ since: minute(5), until: minute(6) }, ({ sentAt }) => sentAt === minute(5)],
    [
      {
        unread: true,
        flagged: false,
        hasAttachments: false,
        priority: ["NORMAL", "HIGH", "URGENT"],
        from: "erin@insurer.example",
        since: minute(2),
        until: minute(22),
      },
      (row) =>
        !row.isRead &&
        !row.isFlagged &&
        row.attachmentCount === 0 &&
        row.priority !== "LOW" &&
        row.from.address === erin.address &&
        row.sentAt >= minute(2) &&
        row.sentAt < minute(22),
    ],
  ];

  test.each(cases)("%j", async (filter, holds) => {
    const expected = all.filter(holds);
    expect(expected.length).toBeGreaterThan(0);
    expect(await messagesOf(maria, { filter })).toEqual(expected);
    const { messages } = await folderOf(maria, { filter, first: 1 });
    expect(messages.edges[0]?.node).toEqual(expected[0]);
    expect(messages.pageInfo.hasNextPage).toBe(expected.length > 1);
  });

  test.each<[MessageFilter]>([
    [{ from: "erin@insurer.example.evil.example" }],
    [{ from: "nobody" }],
    [{ from: "" }],
    [{ from: "%" }],
    [{ from: "nul\0@insurer.example" }],
    [{ priority: [] }],
    [{ since: minute(24) }],
    [{ until: minute(0) }],
    [{ since: minute(6), until: minute(6) }],
    [{ flagged: true, since: minute(6), until: minute(7), unread: false, from: "frank@insurer.example", priority: ["LOW"] }],
  ])("%j: nothing", async (filter) => {
    expect(await messagesOf(maria, { filter })).toEqual([]);
  });
});

type Page = Awaited<ReturnType<typeof folderOf>>["messages"];

async function pageOf(args: Partial<FolderQueryVariables>): Promise<Page> {
  return (await folderOf(maria, args)).messages;
}

async function threadPage({ client }: SignedInPerson, id: string, args: string, cursor: string | null): Promise<Page> {
  const { data } = await client.send<{ thread: { messages: Page } }>(
    `query ($id: ID!, $cursor: String) { thread(id: $id) { messages(${args}: $cursor) {
       edges { cursor node { preview } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`,
    { id, cursor },
  );
  if (!data) throw new Error("There is no such thread");
  return data.thread.messages;
}

function pick<T>(priority: T | undefined): { priority: T } | Record<string, never> {
  return priority === undefined ? {} : { priority };
}
