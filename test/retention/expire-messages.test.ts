import { readdir } from "node:fs/promises";
import path from "node:path";
import { MailboxChangedDocument, SaveDraftWholeDocument, SyncDocument } from "../../operations/generated/operations.ts";
import { after, DAY, SECOND } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { deliver, forwardMessage, messagesOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";
import { fetchState } from "../support/writing.ts";

const EXPIRY = after(START, RETENTION_DAYS * DAY);
const contentTables = ["messages", "recipients", "copies", "attachments", "drafts", "released_blobs"];

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp();
  erin = await employee(app, "erin");
  maria = await member(app, "maria");
});

afterEach(() => app.close());

/** Sessions do not live for half a year: goes to an instant and signs both in again. */
async function goTo(instant: Date): Promise<void> {
  app.clock.moveTo(instant);
  erin = { ...erin, client: await Client.signIn(app.url, "erin", PASSWORD) };
  maria = { ...maria, client: await Client.signIn(app.url, "maria", PASSWORD) };
}

async function rowsIn(tables: readonly string[]): Promise<Record<string, number>> {
  const counts = await Promise.all(
    tables.map(async (table) => [table, (await sql<{ n: number }>(app, `select count(*)::int as n from ${table}`))[0]?.n] as const),
  );
  return Object.fromEntries(counts.map(([table, n]) => [table, n ?? -1]));
}

async function filesOnDisk(): Promise<string[]> {
  const entries = await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test("a message is readable through day 180 to the last second, and from that instant behaves as if it had never been, with no worker running", async () => {
  const attachmentId = await erin.client.uploaded("letter.txt", "a letter");
  const { id, thread } = await deliver(erin, maria, { subject: "Soon gone", attachmentIds: [attachmentId] });
  const start = (await fetchState(maria.client, maria.mailboxId)).cursor;

  await goTo(after(EXPIRY, -SECOND));
  expect((await fetchState(maria.client, maria.mailboxId)).unreadCount).toBe(1);
  expect(await messagesOf(maria)).toMatchObject([{ id, subject: "Soon gone", expiresAt: EXPIRY.toISOString() }]);
  const opened = await openMessage(maria, id);
  const url = opened.attachments[0]?.downloadUrl ?? "";
  expect((await maria.client.download(url)).status).toBe(200);
  expect((await erin.client.download(url)).status).toBe(200);
  expect(sent(await replyToMessage(maria, id))).toMatchObject({
    subject: "Re: Soon gone",
    expiresAt: after(EXPIRY, RETENTION_DAYS * DAY - SECOND).toISOString(),
  });
  const { saveDraft } = await maria.client.run(SaveDraftWholeDocument, { input: { mailboxId: maria.mailboxId, replyTo: id } });
  expect(saveDraft).toMatchObject({ draft: { replyTo: { id } } });
  const unopened = sent(await sendMessage(erin, { to: [maria.address], subject: "Much later" }));
  expect(unopened.subject).toBe("Much later");

  await goTo(EXPIRY);
  expect((await fetchState(maria.client, maria.mailboxId)).unreadCount).toBe(1);
  expect((await messagesOf(maria)).map(({ subject }) => subject)).toEqual(["Much later"]);
  expect((await messagesOf(erin, { folder: "SENT" })).map(({ subject }) => subject)).toEqual(["Much later"]);
  expect(await maria.client.refusals("query ($id: ID!) { message(id: $id) { subject } }", { id })).toEqual(["NOT_FOUND"]);
  expect(await maria.client.refusals("query ($id: ID!) { node(id: $id) { id } }", { id })).toEqual(["NOT_FOUND"]);
  expect((await maria.client.download(url)).status).toBe(404);
  expect((await erin.client.download(url)).status).toBe(404);
  expect(await replyToMessage(maria, id)).toMatchObject({ code: "NOT_FOUND", field: "messageId" });
  expect(await forwardMessage(maria, id, { to: [erin.address] })).toMatchObject({ code: "NOT_FOUND", field: "messageId" });
  const { data: rest } = await maria.client.send<{ thread: { messages: { edges: { node: { subject: string } }[] } } }>(
    "query ($id: ID!) { thread(id: $id) { messages { edges { node { subject } } } } }",
    { id: thread.id },
  );
  expect(rest?.thread.messages.edges.map(({ node }) => node.subject)).toEqual(["Re: Soon gone"]); // which has its own date
  const replay = await maria.client.run(SyncDocument, { mailboxId: maria.mailboxId, after: start, first: 100 });
  expect(JSON.stringify(replay)).not.toContain('"subject":"Soon gone"');
  expect(JSON.stringify(replay)).toContain("Much later");
});

test("the sweep leaves nothing of what expired but events, tells everybody once, and touches nothing else", async () => {
  const before = await rowsIn(contentTables);
  const attachmentId = await erin.client.uploaded("letter.txt", "a letter");
  const { id } = await deliver(erin, maria, { subject: "Soon gone", attachmentIds: [attachmentId] });
  await maria.client.run(SaveDraftWholeDocument, { input: { mailboxId: maria.mailboxId, forwardOf: id } });
  expect(await filesOnDisk()).toHaveLength(1);

  await goTo(after(EXPIRY, -DAY));
  const kept = await deliver(erin, maria, { subject: "Stays", attachmentIds: [await erin.client.uploaded("kept.txt", "kept")] });
  await goTo(EXPIRY);
  const { unreadCount, cursor } = await fetchState(maria.client, maria.mailboxId);
  expect(unreadCount).toBe(1);
  const live = maria.client.subscribe(MailboxChangedDocument, { mailboxId: maria.mailboxId, after: cursor });
  try {
    const first = live.next();
    expect(await expireMessages(app.ctx())).toBe(1);
    expect((await first)?.mailboxChanged).toMatchObject({ messageId: id, unreadCount: 1 });
  } finally {
    await live.close();
  }
  expect(await expireMessages(app.ctx())).toBe(0);
  await app.runJobsOnce();
  expect(await filesOnDisk()).toHaveLength(1);
  expect(await messagesOf(maria)).toMatchObject([{ id: kept.id, subject: "Stays" }]);
  expect((await fetchState(maria.client, maria.mailboxId)).unreadCount).toBe(1);
  expect(await sql(app, "select count(*)::int as n from events where action = 'message.expired' group by mailbox_id")).toEqual([{ n: 1 }, { n: 1 }]);
  expect(await sql(app, "select count(*)::int as n from events where action = 'draft.expired'")).toEqual([{ n: 1 }]);

  await goTo(after(EXPIRY, RETENTION_DAYS * DAY));
  await expireMessages(app.ctx());
  await sweep(app.ctx());
  await app.runJobsOnce();
  expect(await rowsIn(contentTables)).toEqual(before);
  expect(await filesOnDisk()).toEqual([]);
  expect(await rowsIn(["outbox", "idempotency_keys"])).toEqual({ outbox: 0, idempotency_keys: 0 });
  expect(await sql(app, "select count(*)::int as n from mailboxes where unread_count <> 0")).toEqual([{ n: 0 }]);
});

test("several nodes may try to expire at once: all goes, and each mailbox is told once of each message", async () => {
  const tom = await member(app, "tom");
  for (let n = 0; n < 30; n += 1) sent(await sendMessage(erin, { to: [maria.address, tom.address], subject: `No. ${n}` }));
  await goTo(EXPIRY);
  const later = sent(await sendMessage(erin, { to: [maria.address], subject: "Stays" }));
  const gone = await Promise.all(Array.from({ length: 4 }, () => expireMessages(app.ctx())));
  expect(gone.reduce((sum, n) => sum + n)).toBe(30);
  expect(
    await sql(app, "select count(*)::int as n, count(distinct (mailbox_id, subject_id))::int as copies from events where action = 'message.expired'"),
  ).toEqual([{ n: 90, copies: 90 }]);
  expect(await rowsIn(["messages", "copies"])).toEqual({ messages: 1, copies: 2 });
  expect(await messagesOf(erin, { folder: "SENT" })).toMatchObject([{ id: later.id }]);
  expect((await fetchState(maria.client, maria.mailboxId)).unreadCount).toBe(1);
});

test("a sweep that is told to stop ends after the batch it is at, and the next goes on", async () => {
  for (let n = 0; n < 5; n += 1) sent(await sendMessage(erin, { to: [maria.address] }));
  await goTo(EXPIRY);
  expect(await expireMessages(app.ctx(), AbortSignal.abort(), { messages: 2, copies: 100 })).toBe(2);
  expect(await rowsIn(["messages", "copies"])).toEqual({ messages: 3, copies: 6 });
  expect(await expireMessages(app.ctx())).toBe(3);
  expect(await rowsIn(["messages", "copies"])).toEqual({ messages: 0, copies: 0 });
});

test("a broadcast of thousands of copies goes in bounded batches, its content last", async () => {
  const recipients = 6_000;
  const { id } = await deliver(erin, maria, { subject: "To all" });
  expect(id).not.toBe("");
  // Members without an account, all in one message: more copies than one transaction takes.
  await sql(
    app,
    `with message as (select message_id, thread_id, from_mailbox_id, sent_at, expires_at, header from copies where folder = 'INBOX'),
     box as (insert into mailboxes (id, address, kind, created_at) select gen_random_uuid(), n || '@many.example', 'PERSON', $1 from generate_series(1, $2::int) n returning id)
     insert into copies (mailbox_id, id, message_id, thread_id, from_mailbox_id, folder, priority, attachment_count, sent_at, expires_at, header)
     select box.id, gen_random_uuid(), message_id, thread_id, from_mailbox_id, 'INBOX', 1, 0, sent_at, expires_at, header from message, box`,
    [START, recipients],
  );
  await sql(app, "update mailboxes set unread_count = 1 where address like '%@many.example'");
  app.clock.moveTo(EXPIRY);
  expect(await expireMessages(app.ctx())).toBe(1);
  expect(await rowsIn(["messages", "copies", "recipients"])).toEqual({ messages: 0, copies: 0, recipients: 0 });
  expect(await sql(app, "select count(*)::int as n from events where action = 'message.expired'")).toEqual([{ n: recipients + 2 }]);
  expect(await sql(app, "select count(*)::int as n from mailboxes where unread_count <> 0")).toEqual([{ n: 0 }]);
});
