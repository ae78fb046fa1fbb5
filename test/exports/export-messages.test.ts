import { randomBytes, randomUUID } from "node:crypto";
import { simpleParser } from "mailparser";
import { ExportMessagesDocument } from "../../operations/generated/operations.ts";
import { HOUR, MINUTE, SECOND } from "../../src/clock.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { checksumsOf, downloaded, exportOf, madeExport, manifestOf, messagesIn, requestExport, unzipped } from "../support/exports.ts";
import { deliver, forwardMessage, messagesOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";
import { eventsOf } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp({ limits: { maxExports: 10 } });
  erin = await employee(app, "erin");
  maria = await member(app, "maria");
});

afterEach(() => app.close());

async function exported(person: SignedInPerson, input: Parameters<typeof requestExport>[1]) {
  return unzipped(await downloaded(person, await madeExport(app, person, input)));
}

const namesIn = async (...args: Parameters<typeof exported>) => messagesIn(await exported(...args)).map(([name]) => name);

test("a message is exported as a file that mail programs read: all its headers, both its texts and every byte of its files", async () => {
  const bytes = randomBytes(150_000);
  const lines = "one\r\ntwo\nthree\rfour";
  const tom = await member(app, "tom");
  const attachmentIds = [
    await erin.client.uploaded('Prüfung – 健康 "1".scan', bytes),
    await erin.client.uploaded("lines.txt", lines),
    await erin.client.uploaded("empty.bin", ""),
  ];
  const subject = "Zusage für José – 健康保険 🏥, and so on until it has to be folded over more than one line of the header";
  const text = `Grüße!\n\nA line that is ${"very ".repeat(300)}long.\n.\nFrom here on.  \n-- \nErin`;
  const html = "<p>Grüße &amp; <b>alles Gute</b></p>";
  sent(await sendMessage(erin, { to: [maria.address, tom.address], cc: ["new@mail.example"], subject, text, html, priority: "URGENT", attachmentIds }));
  const [{ id } = { id: "" }] = await messagesOf(maria);

  const files = await exported(maria, { messageIds: [id] });
  const [[name, { bytes: file, modifiedAt }] = ["", { bytes: Buffer.alloc(0), modifiedAt: null }], ...others] = messagesIn(files);
  expect(others).toEqual([]);
  expect(name).toMatch(/^messages\/2026-03-02 0900 Zusage für José – 健康保険 🏥, and so on until it has to be.*\.eml$/);
  expect(modifiedAt).toEqual(START);

  const head = file.toString("latin1").split("\r\n\r\n")[0] ?? "";
  expect(head).toMatch(/^[\t\r\n -~]+$/);
  expect(file.toString("latin1")).not.toMatch(/(?<!\r)\n|\r(?!\n)/);
  expect(
    Math.max(
      ...file
        .toString("latin1")
        .split("\r\n")
        .map(({ length }) => length),
    ),
  ).toBeLessThanOrEqual(998);

  const mail = await simpleParser(file);
  expect(mail).toMatchObject({
    subject,
    date: START,
    from: { value: [{ name: "Test erin", address: erin.address }] },
    to: {
      value: [
        { name: "Test maria", address: maria.address },
        { name: "Test tom", address: tom.address },
      ],
    },
    cc: { value: [{ name: "", address: "new@mail.example" }] },
    text: expect.stringContaining(text.trimEnd()),
    html: expect.stringContaining(html),
  });
  expect([mail.headers.get("priority"), mail.headers.get("x-priority")]).toEqual(["high", undefined]);
  expect(mail.messageId).toMatch(/^<[0-9a-f-]{36}@insurer\.example>$/);
  expect(mail.inReplyTo).toBeUndefined();
  expect(mail.attachments.map(({ filename, contentType, content }) => [filename, contentType, content])).toEqual([
    ["Prüfung – 健康 1.scan", "application/octet-stream", bytes],
    ["lines.txt", "text/plain", Buffer.from(lines)],
    ["empty.bin", "application/octet-stream", Buffer.alloc(0)],
  ]);
});

test("a message has the same Message-ID in every mailbox and every export", async () => {
  const { id } = await deliver(erin, maria);
  const [own] = await messagesOf(erin, { folder: "SENT" });
  const idIn = async (person: SignedInPerson, messageId: string): Promise<string | undefined> => {
    const [[, { bytes }] = ["", { bytes: "" }]] = messagesIn(await exported(person, { messageIds: [messageId] }));
    return (await simpleParser(bytes)).messageId;
  };
  const first = await idIn(maria, id);
  expect(first).toMatch(/@insurer\.example>$/);
  expect(await idIn(maria, id)).toBe(first);
  expect(await idIn(erin, own?.id ?? "")).toBe(first);
});

test("messages, a thread or all folders of a mailbox can be taken along, oldest first, and answers name what they answer", async () => {
  const { id, thread } = await deliver(erin, maria, { subject: "Question" });
  await openMessage(maria, id);
  app.clock.advance(MINUTE);
  sent(await replyToMessage(maria, id, { text: "Answer" }));
  app.clock.advance(MINUTE);
  const other = await deliver(erin, maria, { subject: "Other" });
  app.clock.advance(MINUTE);
  sent(await forwardMessage(maria, other.id, { to: [erin.address] }));

  expect(await namesIn(maria, { messageIds: [other.id, id, id] })).toEqual(["messages/2026-03-02 0900 Question.eml", "messages/2026-03-02 0902 Other.eml"]);
  const conversation = messagesIn(await exported(maria, { threadId: thread.id }));
  expect(conversation.map(([name]) => name)).toEqual(["messages/2026-03-02 0900 Question.eml", "messages/2026-03-02 0901 Re Question.eml"]);
  const [question, answer] = await Promise.all(conversation.map(([, { bytes }]) => simpleParser(bytes)));
  expect(answer).toMatchObject({ inReplyTo: question?.messageId, references: question?.messageId });
  expect(await namesIn(maria, { mailboxId: maria.mailboxId })).toEqual([
    "messages/2026-03-02 0900 Question.eml",
    "messages/2026-03-02 0901 Re Question.eml",
    "messages/2026-03-02 0902 Other.eml",
    "messages/2026-03-02 0903 Fwd Other.eml",
  ]);
  // An answer without its question leads nowhere, so it does not try to.
  const [reply] = await messagesOf(maria, { folder: "SENT" }).then((rows) => rows.filter(({ subject }) => subject === "Re: Question"));
  const [[, { bytes }] = ["", { bytes: "" }]] = messagesIn(await exported(maria, { messageIds: [reply?.id ?? ""] }));
  expect((await simpleParser(bytes)).inReplyTo).toBeUndefined();
});

test("names are such as every file system takes, and no two are alike", async () => {
  for (const subject of ['a/b\\c:d*?"<>|', "../../etc/passwd", "", "same", "Same", "same", "con\u202egnp.exe", "x".repeat(255)])
    await deliver(erin, maria, { subject }).then(() => app.clock.advance(SECOND));
  const names = await namesIn(maria, { mailboxId: maria.mailboxId });
  expect(names).toEqual([
    "messages/2026-03-02 0900 a b cd.eml",
    "messages/2026-03-02 0900 .. .. etc passwd.eml",
    "messages/2026-03-02 0900 (no subject).eml",
    "messages/2026-03-02 0900 same.eml",
    "messages/2026-03-02 0900 Same (2).eml",
    "messages/2026-03-02 0900 same (3).eml",
    "messages/2026-03-02 0900 congnp.exe.eml",
    `messages/2026-03-02 0900 ${"x".repeat(60)}.eml`,
  ]);
});

test("the checksums are those of every file but their own", async () => {
  await deliver(erin, maria, { attachmentIds: [await erin.client.uploaded("a.txt", "a")] });
  await deliver(erin, maria, { subject: "Zwei – 健康" });
  const files = await exported(maria, { mailboxId: maria.mailboxId });
  expect([...files.keys()].slice(-2)).toEqual(["index.html", "manifest-sha256.txt"]);
  expect(manifestOf(files).size).toBe(3);
  expect(manifestOf(files)).toEqual(checksumsOf(files));
});

test("exporting opens what it hands over, and every step is recorded with who did it", async () => {
  const { id } = await deliver(erin, maria);
  expect((await messagesOf(maria))[0]).toMatchObject({ isRead: false });
  const made = await madeExport(app, maria, { messageIds: [id] });
  await downloaded(maria, made);
  expect((await messagesOf(maria))[0]).toMatchObject({ isRead: true });
  const [own] = await messagesOf(erin, { folder: "SENT" });
  expect((await openMessage(erin, own?.id ?? "")).recipients).toMatchObject([{ delivery: { status: "OPENED" } }]);
  expect((await eventsOf(app, maria.mailboxKey)).slice(-2)).toMatchObject([
    { action: "message.opened", actor_id: maria.accountId },
    { action: "message.exported", actor_id: maria.accountId },
  ]);
  const steps = (await eventsOf(app)).filter(({ action }) => action.startsWith("export."));
  expect(steps.map(({ action }) => action)).toEqual(["export.requested", "export.ready", "export.downloaded"]);
  expect(steps.every(({ actor_id, subject_id }) => actor_id === maria.accountId && subject_id === steps[0]?.subject_id)).toBe(true);
});

test("exactly one selection is taken, of what is the viewer's", async () => {
  const { id, thread } = await deliver(erin, maria);
  const refusal = async (person: SignedInPerson, input: object) => (await person.client.run(ExportMessagesDocument, { input })).exportMessages;
  expect(await refusal(maria, {})).toMatchObject({ code: "INVALID_INPUT", field: "input" });
  expect(await refusal(maria, { messageIds: [] })).toMatchObject({ code: "INVALID_INPUT", field: "input" });
  expect(await refusal(maria, { messageIds: [id], mailboxId: maria.mailboxId })).toMatchObject({ code: "INVALID_INPUT", field: "input" });
  const own = await deliver(maria, erin);
  expect(await refusal(erin, { messageIds: [own.id, id] })).toMatchObject({ code: "NOT_FOUND", field: "messageIds" });
  expect(await refusal(erin, { threadId: thread.id })).toMatchObject({ code: "NOT_FOUND", field: "threadId" });
  expect(await refusal(erin, { mailboxId: maria.mailboxId })).toMatchObject({ code: "NOT_FOUND", field: "mailboxId" });
  expect(await refusal(erin, { messageIds: [own.id] })).toMatchObject({ export: { state: "PENDING", messageCount: 1 } });
});

test("a team's mail is taken along by whoever holds its mailbox", async () => {
  const team = await createTeam(app, "claims", [erin]);
  sent(await sendMessage(maria, { to: [team.address], subject: "To the team" }));
  expect(await namesIn(erin, { mailboxId: team.mailboxId })).toEqual(["messages/2026-03-02 0900 To the team.eml"]);
});

test("an empty mailbox gives an index without rows", async () => {
  const files = await exported(maria, { mailboxId: maria.mailboxId });
  expect([...files.keys()]).toEqual(["index.html", "manifest-sha256.txt"]);
});

test("the same idempotency key gets the same export, with other input a conflict", async () => {
  const { id } = await deliver(erin, maria);
  const idempotencyKey = randomUUID();
  const [first, again] = await Promise.all([1, 2].map(() => requestExport(maria, { messageIds: [id], idempotencyKey })));
  expect(again?.id).toBe(first?.id);
  await app.runJobsOnce();
  expect(await requestExport(maria, { messageIds: [id], idempotencyKey })).toMatchObject({ id: first?.id, state: "READY" });
  const { exportMessages } = await maria.client.run(ExportMessagesDocument, { input: { mailboxId: maria.mailboxId, idempotencyKey } });
  expect(exportMessages).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
});

describe("limits", () => {
  let small: TestApp;
  let erin: SignedInPerson;
  let maria: SignedInPerson;

  beforeAll(async () => {
    small = await startTestApp({
      config: { session: { idleMinutes: 600, hours: 12 }, stepUpMinutes: 600 },
      limits: { maxExportMessages: 2, maxExportBytes: 3000, maxExports: 2, maxIds: 3 },
    });
    erin = await employee(small, "erin");
    maria = await member(small, "maria");
  });

  afterAll(() => small.close());

  test("hold for how many messages, how many bytes and how many exports at once", async () => {
    const answer = async (input: object) => (await maria.client.run(ExportMessagesDocument, { input })).exportMessages;
    const one = await deliver(erin, maria);
    const two = await deliver(erin, maria, { text: "long ".repeat(800) });
    expect(await answer({ messageIds: [one.id, one.id, one.id, one.id] })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "messageIds", limit: 3 });

    const { id } = await requestExport(maria, { mailboxId: maria.mailboxId });
    await small.runJobsOnce();
    expect(await exportOf(maria, id)).toMatchObject({ state: "FAILED", failure: "LIMIT_EXCEEDED", downloadUrl: null });
    await deliver(erin, maria);
    expect(await answer({ mailboxId: maria.mailboxId })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "mailboxId", limit: 2 });

    const answers = await Promise.all([1, 2, 3, 4].map(() => answer({ messageIds: [one.id] })));
    expect(answers.filter((each) => "export" in each)).toHaveLength(2);
    expect(answers.filter((each) => "code" in each && each.code === "LIMIT_EXCEEDED" && each.limit === 2)).toHaveLength(2);
    await small.runJobsOnce();
    expect(await answer({ messageIds: [two.id] })).toMatchObject({ code: "LIMIT_EXCEEDED", limit: 2 });
    small.clock.advance(HOUR - 1);
    expect(await answer({ messageIds: [one.id] })).toMatchObject({ code: "LIMIT_EXCEEDED", limit: 2 });
    small.clock.advance(1);
    expect(await answer({ messageIds: [one.id] })).toMatchObject({ export: { state: "PENDING" } });
  });
});
