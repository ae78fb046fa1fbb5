import { readdir } from "node:fs/promises";
import path from "node:path";
import { DeleteMessagesDocument } from "../../operations/generated/operations.ts";
import { after, DAY, SECOND } from "../../src/clock.ts";
import { sweepUploads } from "../../src/attachments/release-attachments.ts";
import { decodeOwnedId, encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { MailboxKind } from "../../src/mailboxes/mailbox.ts";
import { openMailbox } from "../../src/mailboxes/open-mailbox.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { deliver, folderOf, forwardMessage, messagesOf, newestOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let frank: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ limits: { maxMessageBytes: 5000, maxAttachments: 3 }, config: { session: { idleMinutes: 500_000, hours: 10_000 } } });
  [erin, frank, maria] = [await employee(app, "erin"), await employee(app, "frank"), await member(app, "maria")];
});

beforeEach(() => app.clock.advance(SECOND)); // What comes later sorts later.

afterAll(() => app.close());

test("a message is passed on whole: note first, then who wrote what to whom and when, in the same thread", async () => {
  const original = await deliver(erin, maria, { subject: "Your claim", text: "It is\npaid.", cc: [frank.address] });
  app.clock.advance(SECOND);
  const own = sent(await forwardMessage(maria, original.id, { to: [frank.address], text: "Is this right?", priority: "HIGH" }));
  expect(own).toMatchObject({ folder: "SENT", subject: "Fwd: Your claim", priority: "HIGH", thread: original.thread });

  const got = await newestOf(frank);
  expect(got).toMatchObject({
    subject: "Fwd: Your claim",
    preview: expect.stringMatching(/^Is this right\? /),
    from: { address: maria.address },
    isRead: false,
  });
  expect((await openMessage(frank, got.id)).body).toEqual({
    text: `Is this right?

---------- Forwarded message ----------
From: Test erin <erin@insurer.example>
Sent: ${original.sentAt}
To: maria@mail.example, frank@insurer.example
Subject: Your claim

It is
paid.`,
    html: null,
  });
});

test("without a note the original stands alone, and without a subject it says so", async () => {
  const { id } = await deliver(erin, maria, { subject: null, text: "Words." });
  const own = sent(await forwardMessage(maria, id, { to: [frank.address], text: null }));
  expect(own.subject).toBe("Fwd:");
  const { text } = (await openMessage(maria, own.id)).body;
  expect(text).toMatch(/^-{10} Forwarded message/);
  expect(text).toContain("\nSubject: (no subject)\n\nWords.");
});

test("HTML is passed on as HTML, and what the writer called themselves cannot become markup", async () => {
  const called = (displayName: string) => openMailbox(app.ctx(), { address: frank.address, kind: MailboxKind.PERSON, displayName });
  await called("<img src=x onerror=alert(1)> & Sons");
  const { id } = await deliver(frank, maria, { subject: "<script>", html: "<p>Bold <b>words</b></p>" });
  const own = sent(await forwardMessage(maria, id, { to: [erin.address], text: "a < b" }));
  const { html } = (await openMessage(maria, own.id)).body;
  expect(html).toBe(
    `<p>a &lt; b</p><p>---------- Forwarded message ----------<br>From: &lt;img src=x onerror=alert(1)&gt; &amp; Sons &lt;frank@insurer.example&gt;<br>` +
      `Sent: ${(await newestOf(maria)).sentAt}<br>To: maria@mail.example<br>Subject: &lt;script&gt;</p><blockquote><p>Bold <b>words</b></p></blockquote>`,
  );
  await called("Test frank");
});

test.each([
  ["Claim", "Fwd: Claim"],
  ["Fwd: Claim", "Fwd: Claim"],
  ["FW: fwd: Claim", "Fwd: Claim"],
  ["Re: Claim", "Fwd: Re: Claim"],
  ["x".repeat(255), `Fwd: ${"x".repeat(250)}`],
])("what was about %j is passed on as %j", async (subject, forwarded) => {
  const { id } = await deliver(erin, maria, { subject });
  expect(sent(await forwardMessage(maria, id, { to: [frank.address] })).subject).toBe(forwarded);
});

test("external people pass on to employees and teams only: one other stops it, each is named, and nothing happened", async () => {
  const team = await createTeam(app, "appeals", [frank]);
  const { id } = await deliver(erin, maria, { subject: "Private" });
  const franks = (await messagesOf(frank)).length;
  const bad = ["lawyer@office.example", "boss@insurer.example.evil.example", "boss@claims.insurer.example", '"frank@insurer.example" <mallory@evil.example>'];
  expect(await forwardMessage(maria, id, { to: [frank.address, ...bad, team.address] })).toEqual({
    code: "RECIPIENT_NOT_EMPLOYEE",
    field: "to",
    limit: null,
    addresses: ["lawyer@office.example", "boss@insurer.example.evil.example", "boss@claims.insurer.example", "mallory@evil.example"],
  });
  expect(await forwardMessage(maria, id, { to: [] })).toMatchObject({ code: "INVALID_INPUT", field: "to" });
  expect(await forwardMessage(maria, id, { to: [frank.address, "nonsense"] })).toMatchObject({ code: "INVALID_ADDRESS", addresses: ["nonsense"] });
  expect((await messagesOf(frank)).length).toBe(franks);
  expect(await newestOf(maria)).toMatchObject({ id, isRead: false });
  expect(await sql(app, "select from mailboxes where address = any ($1)", [["lawyer@office.example", "mallory@evil.example"]])).toEqual([]);

  sent(await forwardMessage(maria, id, { to: [frank.address, team.address] }));
  expect((await messagesOf(frank)).length).toBe(franks + 1);
  expect(await messagesOf(frank, { mailboxId: team.mailboxId })).toMatchObject([{ subject: "Fwd: Private" }]);
});

test("an employee passes on to anyone", async () => {
  const { id } = await deliver(maria, erin, { subject: "From a member" });
  sent(await forwardMessage(erin, id, { to: ["doctor@clinic.example", maria.address] }));
  expect(await newestOf(maria)).toMatchObject({ subject: "Fwd: From a member", from: { address: erin.address } });
});

test("passing on opens the message: it is read from then on, its sender learns it, and it may be answered", async () => {
  const { id } = await deliver(erin, maria, { subject: "Unopened" });
  const { unreadCount } = await folderOf(maria);
  const { id: sentId } = await newestOf(erin, { folder: "SENT" });
  expect((await openMessage(erin, sentId)).recipients).toMatchObject([{ delivery: { status: "SENT" } }]);

  sent(await forwardMessage(maria, id, { to: [frank.address] }));
  expect(await folderOf(maria)).toMatchObject({ unreadCount: unreadCount - 1 });
  const { data } = await maria.client.send("query ($id: ID!) { message(id: $id) { isRead openedAt canReply { allowed } } }", { id });
  expect(data).toEqual({ message: { isRead: true, openedAt: app.clock.now().toISOString(), canReply: { allowed: true } } });
  expect((await openMessage(erin, sentId)).recipients).toMatchObject([{ delivery: { status: "OPENED" } }]);
});

test("one's own message can be passed on", async () => {
  const own = sent(await sendMessage(erin, { to: [maria.address], subject: "Mine" }));
  expect(sent(await forwardMessage(erin, own.id, { to: [frank.address] })).subject).toBe("Fwd: Mine");
});

test("somebody else's message and a random one are not there", async () => {
  const { id } = await deliver(erin, maria);
  const never = await forwardMessage(frank, encodeId("Message", frank.mailboxKey, newId(START)), { to: [erin.address] });
  expect(never).toMatchObject({ code: "NOT_FOUND", field: "messageId" });
  expect(await forwardMessage(frank, id, { to: [erin.address] })).toEqual(never);
  expect(await forwardMessage(frank, encodeId("Message", frank.mailboxKey, decodeOwnedId("Message", id).uuid), { to: [erin.address] })).toEqual(never);
  sent(await forwardMessage(maria, id, { to: [erin.address] }));
});

test("note and original together stay within a message's size", async () => {
  const { id } = await deliver(erin, maria, { text: "x".repeat(4000) });
  expect(await forwardMessage(maria, id, { to: [frank.address], text: "y".repeat(1000) })).toMatchObject({
    code: "LIMIT_EXCEEDED",
    field: "body",
    limit: 5000,
  });
  sent(await forwardMessage(maria, id, { to: [frank.address], text: "y".repeat(500) }));
});

describe("files", () => {
  test("travel along after new ones, and outlive the original's copies", async () => {
    const attachmentIds = [await erin.client.uploaded("one.txt", "first file"), await erin.client.uploaded("two.txt", "second file")];
    const { id } = await deliver(erin, maria, { attachmentIds });
    const extra = await maria.client.uploaded("note.txt", "a note");
    const own = sent(await forwardMessage(maria, id, { to: [frank.address], attachmentIds: [extra] }));
    expect(own.attachmentCount).toBe(3);
    const got = await openMessage(frank, (await newestOf(frank)).id);
    expect(got.attachments.map(({ fileName, size }) => `${fileName} ${size}`)).toEqual(["note.txt 6", "one.txt 10", "two.txt 11"]);
    expect(got.attachments[0]?.id).toBe(extra);
    for (const id of attachmentIds) expect(got.attachments.map((attachment) => attachment.id)).not.toContain(id);

    const { id: original } = await newestOf(erin, { folder: "SENT" });
    await maria.client.run(DeleteMessagesDocument, { input: { messageIds: [id] } });
    await erin.client.run(DeleteMessagesDocument, { input: { messageIds: [original] } });
    for (const [n, text] of ["a note", "first file", "second file"].entries()) {
      const response = await frank.client.download(got.attachments[n]?.downloadUrl ?? "");
      expect({ status: response.status, text: await response.text() }).toEqual({ status: 200, text });
    }
  });

  test("count with those that travel along", async () => {
    const attachmentIds = [await erin.client.uploaded("one.txt", "1"), await erin.client.uploaded("two.txt", "2")];
    const { id } = await deliver(erin, maria, { attachmentIds });
    const more = [await maria.client.uploaded("three.txt", "3"), await maria.client.uploaded("four.txt", "4")];
    const refused = { code: "LIMIT_EXCEEDED", field: "attachmentIds", limit: 3 };
    expect(await forwardMessage(maria, id, { to: [frank.address], attachmentIds: more })).toMatchObject(refused);
    expect(sent(await forwardMessage(maria, id, { to: [frank.address], attachmentIds: more.slice(1) })).attachmentCount).toBe(3);
  });

  test("share their bytes on the disk, which go with the last message that has them", async () => {
    await expireEverything();
    const original = await deliver(erin, maria, { attachmentIds: [await erin.client.uploaded("shared.txt", "shared bytes")] });
    app.clock.advance(DAY);
    const own = sent(await forwardMessage(maria, original.id, { to: [frank.address] }));
    const { attachments } = await openMessage(frank, (await newestOf(frank)).id);
    expect(await blobsOnDisk()).toHaveLength(1);

    app.clock.moveTo(new Date(original.expiresAt));
    await expireMessages(app.ctx());
    await app.runJobsOnce();
    expect(await blobsOnDisk()).toHaveLength(1);
    expect(await (await frank.client.download(attachments[0]?.downloadUrl ?? "")).text()).toBe("shared bytes");

    app.clock.moveTo(new Date(own.expiresAt));
    await expireMessages(app.ctx());
    await app.runJobsOnce();
    expect(await blobsOnDisk()).toEqual([]);
    expect((await frank.client.download(attachments[0]?.downloadUrl ?? "")).status).toBe(404);
  });
});

/** Lets all that was sent so far expire, with its files. */
async function expireEverything(): Promise<void> {
  app.clock.moveTo(after(app.clock.now(), 181 * DAY));
  await expireMessages(app.ctx());
  await sweepUploads(app.ctx());
  await app.runJobsOnce();
  expect(await blobsOnDisk()).toEqual([]);
}

async function blobsOnDisk(): Promise<string[]> {
  const entries = await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
