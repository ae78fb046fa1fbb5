import { HOUR } from "../../src/clock.ts";
import { decodeOwnedId, encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { ThreadDocument } from "../../operations/generated/operations.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { deliver, messagesOf, newestOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";

let app: TestApp;
let erin: SignedInPerson;
let frank: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 10_000, hours: 1000 } } });
  [erin, frank, maria] = [await employee(app, "erin"), await employee(app, "frank"), await member(app, "maria")];
});

beforeEach(() => app.clock.advance(1000)); // What comes later sorts later.

afterAll(() => app.close());

test("a message is answered only after it was opened", async () => {
  const { id } = await deliver(erin, maria, { subject: "Question" });
  expect(await replyToMessage(maria, id)).toMatchObject({ code: "MESSAGE_NOT_OPENED" });
  expect(await messagesOf(maria, { folder: "SENT" })).toEqual([]);
  await openMessage(maria, id);
  expect(sent(await replyToMessage(maria, id))).toMatchObject({ folder: "SENT", subject: "Re: Question" });
});

test("marking a message as read is not opening it", async () => {
  const { id } = await deliver(erin, maria);
  await maria.client.send("mutation ($id: ID!) { markRead(input: { messageIds: [$id] }) { __typename } }", { id });
  expect((await newestOf(maria)).isRead).toBe(true);
  expect(await replyToMessage(maria, id)).toMatchObject({ code: "MESSAGE_NOT_OPENED" });
});

test("the server addresses the reply to the sender alone, whoever else the message went to", async () => {
  const own = sent(await sendMessage(erin, { to: [frank.address, maria.address], cc: ["somebody@clinic.example"], subject: "All of you" }));
  const got = await newestOf(maria);
  await openMessage(maria, got.id);
  const reply = sent(await replyToMessage(maria, got.id, { text: "Mine.", priority: "URGENT" }));
  expect((await openMessage(maria, reply.id)).recipients).toMatchObject([{ kind: "TO", address: erin.address }]);
  const answer = await newestOf(erin);
  expect(answer).toMatchObject({ subject: "Re: All of you", preview: "Mine.", priority: "URGENT", from: { address: maria.address } });
  expect(await openMessage(erin, answer.id)).toMatchObject({ inReplyTo: { id: own.id }, thread: own.thread });
  expect(await messagesOf(frank)).toMatchObject([{ subject: "All of you" }]);
});

test("clients cannot address a reply, nor name its subject", async () => {
  for (const extra of ["to: []", 'subject: "x"', "cc: []", 'from: "x"']) {
    const document = `mutation { replyToMessage(input: { messageId: "x", body: {}, idempotencyKey: "x", ${extra} }) { __typename } }`;
    expect(await maria.client.refusals(document)).toEqual(["GRAPHQL_VALIDATION_FAILED"]);
  }
});

test.each<[subject: string | null, reply: string]>([
  ["Claim", "Re: Claim"],
  ["Re: Claim", "Re: Claim"],
  ["RE: re:Re: Claim", "Re: Claim"],
  ["Regarding", "Re: Regarding"],
  ["Fwd: Claim", "Re: Fwd: Claim"],
  ["Claim Re: appeal", "Re: Claim Re: appeal"],
  [null, "Re:"],
  ["x".repeat(255), `Re: ${"x".repeat(251)}`],
  ["👋".repeat(255), `Re: ${"👋".repeat(251)}`],
])("a reply to %j is about %j", async (subject, reply) => {
  const { id } = await deliver(erin, maria, { subject });
  await openMessage(maria, id);
  expect(sent(await replyToMessage(maria, id)).subject).toBe(reply);
});

test("a conversation is one thread in each mailbox, oldest first, and each answer knows what it answers", async () => {
  const first = await deliver(erin, maria, { subject: "Talk", text: "1" });
  let reader = maria;
  let last = first;
  for (const text of ["2", "3", "4"]) {
    app.clock.advance(HOUR);
    await openMessage(reader, last.id);
    sent(await replyToMessage(reader, last.id, { text }));
    reader = reader === maria ? erin : maria;
    last = await newestOf(reader);
  }
  for (const person of [erin, maria]) {
    const mine = person === erin ? await newestOf(person) : first;
    const { thread } = await person.client.run(ThreadDocument, { id: mine.thread.id, first: 10, after: null });
    expect(thread?.messages.edges.map(({ node }) => node.preview)).toEqual(["1", "2", "3", "4"]);
    expect(thread?.messages.edges.map(({ node }) => node.subject)).toEqual(["Talk", "Re: Talk", "Re: Talk", "Re: Talk"]);
    const ids = thread?.messages.edges.map(({ node }) => node.id) ?? [];
    const parents = await Promise.all(ids.map(async (id) => (await openMessage(person, id)).inReplyTo?.id ?? null));
    expect(parents).toEqual([null, ...ids.slice(0, 3)]);
  }
});

test("one's own message cannot be answered, in SENT or wherever it was moved", async () => {
  sent(await sendMessage(erin, { to: [maria.address], subject: "Mine" }));
  const { id } = await newestOf(erin, { folder: "SENT" });
  expect(await replyToMessage(erin, id)).toMatchObject({ code: "OWN_MESSAGE" });
  await erin.client.send("mutation ($id: ID!) { moveToFolder(input: { messageIds: [$id], folder: INBOX }) { __typename } }", { id });
  expect(await newestOf(erin)).toMatchObject({ id, subject: "Mine" });
  expect(await replyToMessage(erin, id)).toMatchObject({ code: "OWN_MESSAGE" });
});

test("an answer from a team's mailbox comes from the team, whoever opened it", async () => {
  const team = await createTeam(app, "claims", [erin, frank]);
  sent(await sendMessage(maria, { to: [team.address], subject: "For all" }));
  const { id } = await newestOf(frank, { mailboxId: team.mailboxId });
  await openMessage(frank, id);
  sent(await replyToMessage(erin, id, { text: "From us." }));
  const answer = await newestOf(maria);
  expect(answer).toMatchObject({ subject: "Re: For all", from: { displayName: "Team claims", address: team.address } });
});

test("somebody else's message, the same message of another mailbox and a random one are all not there", async () => {
  const { id } = await deliver(erin, maria);
  await openMessage(maria, id);
  const { uuid } = decodeOwnedId("Message", id);
  const never = await replyToMessage(frank, encodeId("Message", frank.mailboxKey, newId(START)));
  expect(never).toMatchObject({ code: "NOT_FOUND", field: "messageId" });
  for (const foreign of [id, encodeId("Message", frank.mailboxKey, uuid), encodeId("Draft", maria.mailboxKey, uuid), "", "x"]) {
    expect(await replyToMessage(frank, foreign)).toEqual(never);
  }
  sent(await replyToMessage(maria, id));
});

test("an answer has its own 180 days, and takes files along", async () => {
  const { id, expiresAt } = await deliver(erin, maria);
  await openMessage(maria, id);
  app.clock.advance(24 * HOUR);
  const file = await maria.client.uploaded("scan.txt", "scanned");
  const reply = sent(await replyToMessage(maria, id, { attachmentIds: [file] }));
  expect(Date.parse(reply.expiresAt) - Date.parse(expiresAt)).toBe(24 * HOUR);
  expect(reply.attachmentCount).toBe(1);
  expect((await openMessage(erin, (await newestOf(erin)).id)).attachments).toMatchObject([{ fileName: "scan.txt" }]);
});
