import { Client } from "pg";
import {
  DraftsDocument,
  FolderDocument,
  InboxDocument,
  OpenMessageDocument,
  SearchDocument,
  ThreadDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { SECOND } from "../../src/clock.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { deliver, forwardMessage, messagesOf, newestOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { createPerson, createTeam, employee, member, type SignedInPerson, type TestPerson } from "../support/people.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;
let others: TestPerson[];
let ran: string[] = [];

const query: Client["query"] = Reflect.get(Client.prototype, "query");

/** From here on every statement that any connection of this process runs is noted by its name, or its text. */
beforeAll(async () => {
  const noting = new Proxy(query, {
    apply(target, self, args: unknown[]): unknown {
      ran.push(nameOf(args[0]));
      return Reflect.apply(target, self, args);
    },
  });
  Reflect.set(Client.prototype, "query", noting);
  app = await startTestApp();
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
  others = [];
  for (let n = 0; n < 8; n += 1) others.push(await createPerson(app, `other-${n}`));
  for (let n = 0; n < 40; n += 1) {
    app.clock.advance(SECOND);
    const attachmentIds = n % 4 === 0 ? [await erin.client.uploaded(`${n}.txt`, `${n}`)] : [];
    sent(await sendMessage(erin, { to: [maria.address], subject: `${n}`, attachmentIds }));
  }
});

afterAll(async () => {
  Reflect.set(Client.prototype, "query", query);
  await app.close();
});

test("the server's statements are noted", async () => {
  expect(await statementsOf(() => folder(3))).toEqual(expect.arrayContaining([expect.stringMatching(/^copies-page/)]));
});

/** How many statements the main operations take, the start and the end of a transaction counted, the session not: it is asked for once a second. */
describe("one request runs few statements:", () => {
  test("the viewer: the account, the mailboxes", async () => {
    expect(await statementsOf(() => maria.client.run(ViewerDocument, {}))).toHaveLength(2);
  });

  test("an inbox page: the mailbox, then one along one index", async () => {
    expect(await statementsOf(() => maria.client.run(InboxDocument, { mailboxId: maria.mailboxId, first: 25, after: null, filter: null }))).toHaveLength(2);
  });

  test("an inbox page with its attachments: one more", async () => {
    expect(await statementsOf(() => run(rows("attachments { id fileName }"), { first: 25 }))).toHaveLength(3);
  });

  test("opening a message: seven to read it, six to open it in a transaction of their own", async () => {
    const unread = (await messagesOf(maria, { filter: { unread: true, hasAttachments: true } })).map(({ id }) => id);
    const statements = await statementsOf(() => openMessage(maria, unread.shift() ?? ""));
    expect(statements.filter((name) => !/^(START|COMMIT|copies-lock|copies-mark|delivery|record)/.test(name))).toHaveLength(7);
    expect(statements).toHaveLength(13);
  });

  test("opening it again: two fewer", async () => {
    const { id } = await newestOf(maria, { filter: { hasAttachments: true } });
    await openMessage(maria, id);
    expect(await statementsOf(() => openMessage(maria, id))).toHaveLength(11);
  });

  test("sending: with its transaction and its key", async () => {
    expect(await statementsOf(() => sendMessage(erin, { to: [maria.address] }))).toHaveLength(9);
  });

  test("sending with files: three more", async () => {
    const files = await Promise.all([1, 2, 3].map((n) => erin.client.uploaded(`${n}.txt`, "x")));
    expect(await statementsOf(() => sendMessage(erin, { to: [maria.address], attachmentIds: files.splice(0, 1) }))).toHaveLength(12);
  });

  test("replying", async () => {
    const { id } = await newestOf(maria);
    await openMessage(maria, id);
    expect(await statementsOf(() => replyToMessage(maria, id))).toHaveLength(10);
  });

  test("marking as read", async () => {
    const ids = (await messagesOf(maria, { filter: { unread: true }, first: 3 })).map(({ id }) => id);
    expect(await statementsOf(() => markRead(ids.splice(0, 1)))).toHaveLength(8);
  });
});

describe("and no more of them", () => {
  const selections = {
    "rows with their files": "attachments { id fileName mediaType size }",
    "rows with their recipients": "recipients { address displayName delivery { status } }",
    "rows with what may be done": "canReply { allowed } canForward { allowed }",
    "rows with their mailbox": "mailbox { id address unreadCount }",
    "rows with what they answer": "inReplyTo { id subject }",
    "rows with all of that": "attachments { id } recipients { address } canReply { allowed } canForward { allowed } mailbox { id } inReplyTo { id }",
  };

  test.each(Object.entries(selections))("for a longer page of %s", async (_what, selection) => {
    const short = await statementsOf(() => run(rows(selection), { first: 4 }));
    expect(await statementsOf(() => run(rows(selection), { first: 40 }))).toEqual(short);
  });

  test("for a longer page of rows alone", async () => {
    const short = await statementsOf(() => folder(1));
    expect(await statementsOf(() => folder(100))).toEqual(short);
  });

  test("for a page of bodies, which opens all of them together", async () => {
    const pick = await member(app, "many");
    for (let n = 0; n < 12; n += 1) sent(await sendMessage(erin, { to: [pick.address] }));
    const bodies = (first: number) => async () => {
      await pick.client.send("query ($id: ID!, $first: Int!) { mailbox(id: $id) { messages(first: $first) { edges { node { body { text } } } } } }", {
        id: pick.mailboxId,
        first,
      });
    };
    await bodies(12)();
    const short = await statementsOf(bodies(1));
    expect(await statementsOf(bodies(12))).toEqual(short);
  });

  test("for a longer thread", async () => {
    const [one, two] = [await deliver(erin, maria, { subject: "Short" }), await deliver(erin, maria, { subject: "Long" })];
    for (let n = 0; n < 5; n += 1) {
      await openMessage(maria, two.id);
      sent(await replyToMessage(maria, two.id));
    }
    const short = await statementsOf(() => maria.client.run(ThreadDocument, { id: one.thread.id, first: 50, after: null }));
    expect(await statementsOf(() => maria.client.run(ThreadDocument, { id: two.thread.id, first: 50, after: null }))).toEqual(short);
    await openMessage(maria, one.id);
    const opened = await statementsOf(() => maria.client.run(OpenMessageDocument, { id: one.id }));
    expect(await statementsOf(() => maria.client.run(OpenMessageDocument, { id: two.id }))).toEqual(opened);
  });

  test("for more drafts", async () => {
    const save = `mutation ($id: ID!, $file: [ID!]) { saveDraft(input: { mailboxId: $id, attachmentIds: $file }) { __typename } }`;
    const drafts = () => erin.client.run(DraftsDocument, { mailboxId: erin.mailboxId, first: 50, after: null });
    await erin.client.send(save, { id: erin.mailboxId, file: [await erin.client.uploaded("a.txt", "a")] });
    const short = await statementsOf(drafts);
    for (let n = 0; n < 6; n += 1) await erin.client.send(save, { id: erin.mailboxId, file: [await erin.client.uploaded("a.txt", "a")] });
    expect(await statementsOf(drafts)).toEqual(short);
  });

  test("for more recipients and files of a message", async () => {
    const files = await Promise.all(Array.from({ length: 12 }, (_, n) => erin.client.uploaded(`${n}.txt`, "x")));
    const send = (to: TestPerson[], count: number) => () => sendMessage(erin, { to: to.map(({ address }) => address), attachmentIds: files.splice(0, count) });
    const short = await statementsOf(send([maria], 1));
    expect(await statementsOf(send(others, 3))).toEqual(short);
  });

  test("for more unknown recipients", async () => {
    let n = 0;
    const send = (count: number) => () => sendMessage(erin, { to: Array.from({ length: count }, () => `unknown-${(n += 1)}@clinic.example`) });
    const short = await statementsOf(send(1));
    expect(await statementsOf(send(20))).toEqual(short);
  });

  test("for more files that are passed on", async () => {
    const files = await Promise.all(Array.from({ length: 6 }, (_, n) => erin.client.uploaded(`${n}.txt`, "x")));
    const one = await deliver(erin, maria, { attachmentIds: files.slice(0, 1) });
    const five = await deliver(erin, maria, { attachmentIds: files.slice(1) });
    for (const { id } of [one, five]) await openMessage(maria, id);
    const short = await statementsOf(() => forwardMessage(maria, one.id, { to: [erin.address] }));
    expect(await statementsOf(() => forwardMessage(maria, five.id, { to: [erin.address] }))).toEqual(short);
  });

  test("for more messages that are marked", async () => {
    const ids = (await messagesOf(maria, { filter: { unread: true } })).map(({ id }) => id);
    const short = await statementsOf(() => markRead(ids.splice(0, 1)));
    expect(await statementsOf(() => markRead(ids.splice(0, 8)))).toEqual(short);
  });

  test("for a longer page of what a search finds, with its snippets", async () => {
    const search = (first: number) => () => maria.client.run(SearchDocument, { mailboxId: maria.mailboxId, query: "words", first });
    const short = await statementsOf(search(30));
    expect(short.length).toBeLessThanOrEqual(8);
    expect(await statementsOf(search(100))).toEqual(short);
  });

  test("for more teams of the viewer", async () => {
    const short = await statementsOf(() => erin.client.run(ViewerDocument, {}));
    for (let n = 0; n < 5; n += 1) await createTeam(app, `team-${n}`, [erin]);
    expect(await statementsOf(() => erin.client.run(ViewerDocument, {}))).toEqual(short);
  });

  test("for more events of the feed", async () => {
    const changes = (first: number) => () =>
      run(
        "query ($id: ID!, $after: String!, $first: Int!) { mailbox(id: $id) { changes(after: $after, first: $first) { edges { node { ... on MessageReceived { message { id subject } } } } } } }",
        {
          first,
          after: Buffer.from("feed 0").toString("base64url"),
        },
      );
    const short = await statementsOf(changes(2));
    expect(await statementsOf(changes(40))).toEqual(short);
  });
});

/** The statements of an operation: the fewest of three runs, since the server's own housekeeping may fall into one. Sorted, since some run side by side. */
async function statementsOf(operation: () => Promise<unknown>): Promise<string[]> {
  const runs: string[][] = [];
  for (let n = 0; n < 3; n += 1) {
    ran = [];
    await operation();
    runs.push(ran.filter((name) => !/^(bus|relay|session)-/.test(name)));
  }
  const [fewest = []] = runs.sort((a, b) => a.length - b.length);
  return fewest.sort();
}

function nameOf(statement: unknown): string {
  if (typeof statement === "string") return statement.slice(0, 100);
  if (typeof statement !== "object" || statement === null) return "unknown";
  if ("name" in statement && typeof statement.name === "string") return statement.name;
  return "text" in statement && typeof statement.text === "string" ? statement.text.slice(0, 100) : "unknown";
}

function folder(first: number) {
  return maria.client.run(FolderDocument, { mailboxId: maria.mailboxId, folder: "INBOX", first });
}

function rows(selection: string): string {
  return `query ($id: ID!, $first: Int!) { mailbox(id: $id) { messages(first: $first) { edges { node { id subject ${selection} } } } } }`;
}

async function run(document: string, variables: object): Promise<void> {
  const { errors } = await maria.client.send(document, { id: maria.mailboxId, ...variables });
  if (errors) throw new Error(`The operation failed: ${JSON.stringify(errors)}`);
}

async function markRead(messageIds: string[]): Promise<void> {
  await run(
    "mutation ($messageIds: [ID!]!) { markRead(input: { messageIds: $messageIds }) { ... on MarkReadPayload { messages { id } mailboxes { unreadCount } } } }",
    { messageIds },
  );
}
