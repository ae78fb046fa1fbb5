import { AccountKind } from "../../src/accounts/account.ts";
import { DAY } from "../../src/clock.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { HolderRole } from "../../src/mailboxes/mailbox-holder.ts";
import { letIn } from "../../src/mailboxes/open-mailbox.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { deliver, folderOf, type Letter, messagesOf, newestOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson, signedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

const limits = { maxRecipients: 5, maxMessageBytes: 2000, maxAttachments: 3 };

let app: TestApp;
let erin: SignedInPerson;
let frank: SignedInPerson;
let maria: SignedInPerson;
let team: { address: string; mailboxKey: string; mailboxId: string };

beforeAll(async () => {
  app = await startTestApp({ limits });
  [erin, frank, maria] = [await employee(app, "erin"), await employee(app, "frank"), await member(app, "maria")];
  team = await createTeam(app, "claims", [erin], HolderRole.WRITER);
  await letIn(app.ctx(), { mailboxId: team.mailboxKey, accountId: frank.accountId, role: HolderRole.READER });
});

afterAll(() => app.close());

test("what is sent stands in SENT as read, and with every recipient as unread, from the sender's name and address", async () => {
  const own = sent(await sendMessage(erin, { to: [maria.address], cc: [frank.address], subject: "Your claim", text: "It is paid.", priority: "HIGH" }));
  expect(own).toMatchObject({ folder: "SENT", isRead: true, isFlagged: false, attachmentCount: 0 });
  const words = { subject: "Your claim", preview: "It is paid.", priority: "HIGH", from: { displayName: "Test erin", address: erin.address } };
  const dates = { sentAt: START.toISOString(), expiresAt: new Date(START.getTime() + 180 * DAY).toISOString() };
  expect(own).toMatchObject({ ...words, ...dates });
  const ids = new Set([own.id]);
  for (const recipient of [maria, frank]) {
    const row = await newestOf(recipient);
    expect(row).toMatchObject({ folder: "INBOX", isRead: false, ...words, ...dates });
    ids.add(row.id);
    const { recipients, body, openedAt } = await openMessage(recipient, row.id);
    expect(body).toEqual({ text: "It is paid.", html: null });
    expect(openedAt).toBe(START.toISOString());
    expect(recipients).toEqual([
      { kind: "TO", address: maria.address, displayName: "Test maria", delivery: null },
      { kind: "CC", address: frank.address, displayName: "Test frank", delivery: null },
    ]);
  }
  expect(ids.size).toBe(3);
  expect(await messagesOf(erin)).toEqual([]);
  expect((await messagesOf(erin, { folder: "SENT" })).map(({ id }) => id)).toEqual([own.id]);
});

describe("who may write to whom", () => {
  const people: Record<string, () => string> = {
    "an employee": () => frank.address,
    "a team": () => team.address,
    "an employee without an account": () => "not-yet@insurer.example",
    "a member": () => maria.address,
    "somebody outside": () => "outside@clinic.example",
    "a sub-domain": () => "boss@claims.insurer.example",
    "a longer domain": () => "boss@insurer.example.evil.example",
    "a look-alike": () => "boss@\u0456nsurer.example",
    "an employee's address as name": () => '"frank@insurer.example" <mallory@evil.example>',
  };
  const employees = new Set(["an employee", "a team", "an employee without an account"]);
  const senders: Partial<Record<AccountKind, SignedInPerson>> = {};

  beforeAll(async () => {
    for (const kind of Object.values(AccountKind)) senders[kind] = await signedInPerson(app, `a-${kind.toLowerCase()}`, kind);
  });

  test.each(Object.values(AccountKind))("%s", async (kind) => {
    const from = senders[kind];
    if (from === undefined) throw new Error(`There is no ${kind}`);
    const isEmployee = kind === AccountKind.EMPLOYEE || kind === AccountKind.ADMINISTRATOR;
    for (const [who, addressOf] of Object.entries(people)) {
      const answer = await sendMessage(from, { to: [addressOf()] });
      const expected = isEmployee || employees.has(who) ? { message: { folder: "SENT" } } : { code: "RECIPIENT_NOT_EMPLOYEE", field: "to" };
      expect({ who, answer }).toMatchObject({ who, answer: expected });
    }
  });
});

test("one recipient who is no employee stops the whole message, each is named, and nothing is left behind", async () => {
  const before = await footprint();
  const bad = ["Somebody <ONE@clinic.example>", "two@insurer.example.evil.example"];
  expect(await sendMessage(maria, { to: [erin.address, ...bad, team.address] })).toEqual({
    code: "RECIPIENT_NOT_EMPLOYEE",
    field: "to",
    limit: null,
    addresses: ["one@clinic.example", "two@insurer.example.evil.example"],
  });
  expect(await sendMessage(maria, { to: [erin.address], cc: bad })).toMatchObject({ code: "RECIPIENT_NOT_EMPLOYEE", field: "cc" });
  expect(await footprint()).toEqual(before);
  sent(await sendMessage(maria, { to: [erin.address, team.address] }));
  expect(await footprint()).not.toEqual(before);
});

test("addresses that cannot receive mail are named as they were typed, and nothing is left behind", async () => {
  const before = await footprint();
  expect(await sendMessage(erin, { to: [maria.address, "no address", "a@b@c.example"] })).toMatchObject({
    code: "INVALID_ADDRESS",
    field: "to",
    addresses: ["no address", "a@b@c.example"],
  });
  expect(await sendMessage(erin, { to: [maria.address], cc: ["ann%evil.example@insurer.example"] })).toMatchObject({
    code: "INVALID_ADDRESS",
    field: "cc",
    addresses: ["ann%evil.example@insurer.example"],
  });
  expect(await footprint()).toEqual(before);
});

test("an unknown address gets a mailbox that waits, and its later owner finds the mail there", async () => {
  const first = sent(await sendMessage(erin, { to: ["Lena <LENA@mail.example>"], subject: "Welcome" }));
  sent(await sendMessage(frank, { to: ["lena@mail.example"], subject: "Your card" }));
  expect((await openMessage(erin, first.id)).recipients).toMatchObject([
    { address: "lena@mail.example", displayName: "lena@mail.example", delivery: { status: "SENT" } },
  ]);

  const lena = await member(app, "lena");
  const inbox = await folderOf(lena);
  expect(inbox.unreadCount).toBe(2);
  expect(inbox.messages.edges.map(({ node }) => node.subject).sort()).toEqual(["Welcome", "Your card"]);
  const welcome = inbox.messages.edges.find(({ node }) => node.subject === "Welcome");
  await openMessage(lena, welcome?.node.id ?? "");
  expect((await openMessage(erin, first.id)).recipients).toMatchObject([{ displayName: "Test lena", delivery: { status: "OPENED" } }]);
});

test("an address named twice gets one copy, and one that is in To is not in copy as well", async () => {
  const before = (await messagesOf(maria)).length;
  const own = sent(
    await sendMessage(erin, {
      to: [maria.address, maria.address.toUpperCase(), `Maria <${maria.address}>`, frank.address],
      cc: [maria.address, team.address, team.address],
    }),
  );
  expect((await openMessage(erin, own.id)).recipients.map(({ kind, address }) => `${kind} ${address}`)).toEqual([
    `TO ${maria.address}`,
    `TO ${frank.address}`,
    `CC ${team.address}`,
  ]);
  expect((await messagesOf(maria)).length).toBe(before + 1);
});

test("a message to oneself lies in SENT and, unread, in the INBOX", async () => {
  const own = sent(await sendMessage(frank, { to: [frank.address], subject: "Note to self" }));
  const { unreadCount } = await folderOf(frank);
  const got = (await messagesOf(frank)).find(({ subject }) => subject === "Note to self");
  if (got === undefined) throw new Error("The note did not arrive");
  expect(got).toMatchObject({ isRead: false, thread: own.thread });
  expect(got.id).not.toBe(own.id);
  expect((await openMessage(frank, own.id)).recipients).toMatchObject([{ delivery: { status: "SENT" } }]);
  expect(await openMessage(frank, got.id)).toMatchObject({ isRead: true, canReply: { allowed: false, reason: "OWN_MESSAGE" } });
  expect((await openMessage(frank, own.id)).recipients).toMatchObject([{ delivery: { status: "OPENED" } }]);
  expect((await folderOf(frank)).unreadCount).toBe(unreadCount - 1);
  expect(await sendMessage(maria, { to: [maria.address] })).toMatchObject({ code: "RECIPIENT_NOT_EMPLOYEE" });
});

test("a team's mailbox is written from by its writers only, and the team is the sender", async () => {
  const letter: Letter = { mailboxId: team.mailboxId, to: [maria.address], subject: "From the team" };
  expect(await sendMessage(frank, letter)).toMatchObject({ code: "MAILBOX_READ_ONLY" });
  const never = await sendMessage(maria, { ...letter, to: [erin.address], mailboxId: encodeId("Mailbox", newId(START)) });
  expect(never).toMatchObject({ code: "NOT_FOUND", field: "mailboxId" });
  expect(await sendMessage(maria, { ...letter, to: [erin.address] })).toEqual(never);
  expect(await sendMessage(maria, { ...letter, to: [erin.address], mailboxId: erin.mailboxId })).toEqual(never);

  const own = sent(await sendMessage(erin, letter));
  expect(own).toMatchObject({ folder: "SENT", from: { displayName: "Team claims", address: team.address } });
  expect(await messagesOf(frank, { mailboxId: team.mailboxId, folder: "SENT" })).toMatchObject([{ id: own.id }]);
  expect((await messagesOf(erin, { folder: "SENT" })).map(({ id }) => id)).not.toContain(own.id);
  expect((await messagesOf(maria)).find(({ subject }) => subject === "From the team")?.from.address).toBe(team.address);
});

describe("limits", () => {
  const addresses = (count: number): string[] => Array.from({ length: count }, (_, n) => `person-${n}@mail.example`);

  test.each<[what: string, letter: Partial<Letter>, field: string, limit: number | null]>([
    ["six recipients", { to: addresses(6) }, "to", 5],
    ["six in To and copy", { to: addresses(3), cc: ["x@mail.example", "y@mail.example", "z@mail.example"] }, "to", 5],
    ["no recipient", { to: [] }, "to", null],
    ["six in copy", { to: [], cc: addresses(6) }, "cc", 5],
    ["one address six times", { to: addresses(6).map(() => "one@mail.example") }, "to", 5],
    ["256 characters of subject", { subject: "x".repeat(256) }, "subject", 255],
    ["2001 bytes of text", { text: "x".repeat(2001) }, "body", 2000],
    ["2001 bytes of text in 1001 letters", { text: `x${"ä".repeat(1000)}` }, "body", 2000],
    ["2001 bytes of HTML that would be cleaned away", { html: `<script>${"x".repeat(1984)}</script>` }, "body", 2000],
    ["1001 bytes of text and 1000 of HTML", { text: "x".repeat(1001), html: "x".repeat(1000) }, "body", 2000],
    ["an empty key", { idempotencyKey: "" }, "idempotencyKey", null],
    ["a key of 201", { idempotencyKey: "x".repeat(201) }, "idempotencyKey", null],
    ["a key with NUL", { idempotencyKey: "x\0" }, "idempotencyKey", null],
  ])("%s: refused", async (_what, letter, field, limit) => {
    const before = await footprint();
    const code = limit === null ? "INVALID_INPUT" : "LIMIT_EXCEEDED";
    expect(await sendMessage(erin, { to: [maria.address], ...letter })).toMatchObject({ code, field, limit });
    expect(await footprint()).toEqual(before);
  });

  test.each<[what: string, letter: Partial<Letter>]>([
    ["five recipients", { to: addresses(5) }],
    ["five recipients in To and in copy", { to: addresses(5), cc: addresses(5) }],
    ["nobody but in copy", { to: [], cc: addresses(1) }],
    ["255 characters of subject", { subject: "x".repeat(255) }],
    ["255 characters outside the basic plane", { subject: "\u{1f600}".repeat(255) }],
    ["2000 bytes of text", { text: "x".repeat(2000) }],
    ["1000 bytes of text and 1000 of HTML", { text: "x".repeat(1000), html: "x".repeat(1000) }],
    ["no words at all", { subject: null, text: null, html: null }],
    ["a key of 200", { idempotencyKey: "k".repeat(200) }],
  ])("%s: sent", async (_what, letter) => {
    expect(await sendMessage(erin, { to: [maria.address], ...letter })).toMatchObject({ message: { folder: "SENT" } });
  });
});

test.each(["LOW", "NORMAL", "HIGH", "URGENT"] as const)("priority %s reaches the recipient", async (priority) => {
  expect((await deliver(erin, maria, { priority })).priority).toBe(priority);
});

test("priority is NORMAL where none is given", async () => {
  expect((await deliver(erin, maria)).priority).toBe("NORMAL");
});

test.each<[written: string | null, kept: string]>([
  ["Plain", "Plain"],
  [null, ""],
  ["   ", ""],
  ["  two   spaces  ", "two spaces"],
  ["one\r\nBcc: mallory@evil.example", "one Bcc: mallory@evil.example"],
  ["tab\tand\nline", "tab and line"],
  ["bell\u0007, NUL\0 and escape\u001b[31m", "bell, NUL and escape[31m"],
  ["C1\u0090\u009b", "C1"],
  ["invoice\u202efdp.exe", "invoicefdp.exe"],
  ["\u2066isolated\u2069", "isolated"],
  ["line\u2028separator", "line separator"],
  ["Grüße 👋🏽 שלום", "Grüße 👋🏽 שלום"],
  ["<b>not HTML</b> & so on", "<b>not HTML</b> & so on"],
])("the subject %j becomes %j", async (written, kept) => {
  expect(sent(await sendMessage(erin, { to: [maria.address], subject: written })).subject).toBe(kept);
});

describe("HTML is sanitised on the way in", () => {
  test.each<[what: string, written: string, kept: string]>([
    [
      "plain structure",
      '<h1>A</h1><p dir="rtl" lang="he">B <b>c</b><br>d</p><ul><li>e</li></ul>',
      '<h1>A</h1><p dir="rtl" lang="he">B <b>c</b><br />d</p><ul><li>e</li></ul>',
    ],
    ["tables", '<table><tr><th scope="col" colspan="2">A</th></tr></table>', '<table><tr><th scope="col" colspan="2">A</th></tr></table>'],
    ["a script", "a<script>alert(1)</script>b", "ab"],
    ["a script in upper case", "a<SCRIPT SRC=//evil.example/x.js></SCRIPT>b", "ab"],
    ["a broken script", "a<scr<script>ipt>alert(1)</scr</script>ipt>", "aipt&gt;alert(1)ipt&gt;"],
    ["an unclosed script", "a<script>alert(1)", "a"],
    ["a style sheet", "a<style>@import '//evil.example'; p{background:url(//evil.example)}</style>b", "ab"],
    ["a style attribute", '<p style="background:url(//evil.example)">a</p>', "<p>a</p>"],
    ["an event handler", '<p onclick="alert(1)" ONMOUSEOVER=alert(1)>a</p>', "<p>a</p>"],
    ["an image", 'a<img src="//evil.example/pixel.gif" onerror=alert(1)>b', "ab"],
    ["a picture in data:", '<img src="data:image/png;base64,AAAA">a', "a"],
    ["SVG", '<svg onload=alert(1)><a xlink:href="javascript:alert(1)">a</a></svg>', '<a rel="noopener noreferrer nofollow" target="_blank">a</a>'],
    ["MathML", "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mtext></math>", "<table></table>"],
    ["a frame", 'a<iframe src="//evil.example" srcdoc="<script>1</script>"></iframe>b', "ab"],
    ["an object", '<object data="//evil.example"><embed src="//evil.example">a</object>', "a"],
    ["a form", '<form action="//evil.example"><input name=p><button>Go</button></form>', "Go"],
    [
      "a base and a meta",
      '<base href="//evil.example"><meta http-equiv=refresh content="0;url=//evil.example"><link rel=stylesheet href=//evil.example>a',
      "a",
    ],
    ["a comment", "a<!-- <script>alert(1)</script> -->b<!--[if IE]>c<![endif]-->", "ab"],
    ["an id and a class", '<p id="root" class="login" name="x" data-x="1">a</p>', "<p>a</p>"],
    [
      "a link",
      '<a href="https://insurer.example/x?a=1&amp;b=2" title="t">a</a>',
      '<a href="https://insurer.example/x?a=1&amp;b=2" title="t" rel="noopener noreferrer nofollow" target="_blank">a</a>',
    ],
    [
      "a link that opens here",
      '<a href="https://insurer.example/" target="_self" rel="opener">a</a>',
      '<a href="https://insurer.example/" target="_blank" rel="noopener noreferrer nofollow">a</a>',
    ],
    [
      "mailto and tel",
      '<a href="mailto:a@b.example">a</a><a href="tel:+1">b</a>',
      '<a href="mailto:a@b.example" rel="noopener noreferrer nofollow" target="_blank">a</a><a href="tel:+1" rel="noopener noreferrer nofollow" target="_blank">b</a>',
    ],
    ["javascript:", '<a href="javascript:alert(1)">a</a>', '<a rel="noopener noreferrer nofollow" target="_blank">a</a>'],
    ["javascript: in disguise", '<a href=" java\nscript:alert(1)">a</a>', '<a rel="noopener noreferrer nofollow" target="_blank">a</a>'],
    ["javascript: in entities", '<a href="&#106;avascript&colon;alert(1)">a</a>', '<a rel="noopener noreferrer nofollow" target="_blank">a</a>'],
    ["javascript: behind a control", '<a href="\u0001javascript:alert(1)">a</a>', '<a rel="noopener noreferrer nofollow" target="_blank">a</a>'],
    ["vbscript:", '<a href="VBSCRIPT:x">a</a>', '<a rel="noopener noreferrer nofollow" target="_blank">a</a>'],
    ["a link in data:", '<a href="data:text/html,<script>alert(1)</script>">a</a>', '<a rel="noopener noreferrer nofollow" target="_blank">a</a>'],
    ["a link without its scheme", '<a href="//evil.example">a</a>', '<a rel="noopener noreferrer nofollow" target="_blank">a</a>'],
    ["text that looks like a tag", "1 < 2 && 3 > 2", "1 &lt; 2 &amp;&amp; 3 &gt; 2"],
    ["escaped text", "&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;"],
    ["a textarea that ends early", "<textarea><p title='</textarea><img src=x onerror=alert(1)>'>", "'&gt;"],
    ["noscript that ends early", '<noscript><p title="</noscript><img src=x onerror=alert(1)>">', "<p></p>"],
  ])("%s", async (_what, written, kept) => {
    const { body } = await openMessage(erin, sent(await sendMessage(erin, { to: [maria.address], html: written })).id);
    expect(body.html).toBe(kept);
  });
});

describe("plain text", () => {
  test("is made from HTML where there is none, and kept as written where there is", async () => {
    const html = "<h1>Paid</h1><p>Dear <b>Maria</b>,<br>see <a href='https://insurer.example/claim'>your claim</a>.</p><script>alert(1)</script>";
    const made = await openMessage(erin, sent(await sendMessage(erin, { to: [maria.address], html })).id);
    expect(made.body.text).toBe("PAID\n\nDear Maria,\nsee your claim [https://insurer.example/claim].");
    const written = await openMessage(erin, sent(await sendMessage(erin, { to: [maria.address], html, text: "In my own words <b>" })).id);
    expect(written.body.text).toBe("In my own words <b>");
    expect(written.body.html).toBe(made.body.html);
  });

  test("keeps tabs and lines, in one kind of line end, and loses other control characters", async () => {
    const { body } = await openMessage(erin, sent(await sendMessage(erin, { to: [maria.address], text: "a\r\nb\rc\nd\te\0\u0007\u001b[0m\u009b" })).id);
    expect(body).toEqual({ text: "a\nb\nc\nd\te[0m", html: null });
  });

  test.each<[what: string, letter: Partial<Letter>, preview: string]>([
    ["short", { text: "Short." }, "Short."],
    ["empty", { text: "" }, ""],
    ["of many lines", { text: "\n  One\r\n\r\n\ttwo   three\n" }, "One two three"],
    ["of HTML", { html: "<p>One</p><p>two &amp; <i>three</i></p>" }, "One two & three"],
    ["of 140", { text: "x".repeat(140) }, "x".repeat(140)],
    ["of 141", { text: "x".repeat(141) }, `${"x".repeat(139)}…`],
    ["that breaks at a space", { text: `${"x".repeat(138)} y and more` }, `${"x".repeat(138)}…`],
    ["of 140 outside the basic plane", { text: "👋".repeat(140) }, "👋".repeat(140)],
    ["that breaks outside the basic plane", { text: `x${"👋".repeat(200)}` }, `x${"👋".repeat(138)}…`],
  ])("%s has a preview of one line, at most 140 characters", async (_what, letter, preview) => {
    expect(sent(await sendMessage(erin, { to: [maria.address], ...letter })).preview).toBe(preview);
  });
});

describe("files", () => {
  test("stand on the message in the order given, each once, and are counted", async () => {
    const [a, b, c] = [await erin.client.uploaded("a.txt", "a"), await erin.client.uploaded("b.txt", "b"), await erin.client.uploaded("c.txt", "c")];
    const own = sent(await sendMessage(erin, { to: [maria.address], attachmentIds: [c, a, b] }));
    expect(own.attachmentCount).toBe(3);
    expect((await openMessage(erin, own.id)).attachments.map(({ fileName }) => fileName)).toEqual(["c.txt", "a.txt", "b.txt"]);
    const again = await erin.client.uploaded("again.txt", "again");
    const twice = sent(await sendMessage(erin, { to: [maria.address], attachmentIds: [again, again] }));
    expect((await openMessage(erin, twice.id)).attachments).toHaveLength(1);
    expect(twice.attachmentCount).toBe(1);
  });

  test("go with one message only, and only with their uploader's", async () => {
    const before = await footprint();
    const theirs = await frank.client.uploaded("theirs.txt", "theirs");
    const random = encodeId("Attachment", newId(START));
    const refused = { code: "ATTACHMENT_NOT_READY", field: "attachmentIds" };
    for (const attachmentIds of [[theirs], [random]]) expect(await sendMessage(erin, { to: [maria.address], attachmentIds })).toMatchObject(refused);
    const mine = await erin.client.uploaded("mine.txt", "mine");
    expect(await sendMessage(erin, { to: [maria.address], attachmentIds: [mine, theirs] })).toMatchObject(refused);
    for (const id of ["", "nonsense", encodeId("Draft", newId(START), newId(START))])
      expect(await sendMessage(erin, { to: [maria.address], attachmentIds: [id] })).toMatchObject({ code: "NOT_FOUND", field: "attachmentIds" });
    expect(await footprint()).toEqual(before);

    sent(await sendMessage(erin, { to: [maria.address], attachmentIds: [mine] }));
    expect(await sendMessage(erin, { to: [maria.address], attachmentIds: [mine] })).toMatchObject(refused);
    sent(await sendMessage(frank, { to: [maria.address], attachmentIds: [theirs] }));
  });

  test("are at most as many as the limit says", async () => {
    const ids = await Promise.all(Array.from({ length: 4 }, (_, n) => erin.client.uploaded(`${n}.txt`, "x")));
    expect(await sendMessage(erin, { to: [maria.address], attachmentIds: ids })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "attachmentIds", limit: 3 });
    expect(sent(await sendMessage(erin, { to: [maria.address], attachmentIds: ids.slice(1) })).attachmentCount).toBe(3);
  });
});

/** How much there is of everything a message leaves. */
async function footprint() {
  const [row] = await sql<Record<"messages" | "copies" | "recipients" | "mailboxes" | "keys", number>>(
    app,
    `select (select count(*) from messages) as messages, (select count(*) from copies) as copies, (select count(*) from recipients) as recipients,
            (select count(*) from mailboxes) as mailboxes, (select count(*) from idempotency_keys) as keys`,
  );
  return row;
}
