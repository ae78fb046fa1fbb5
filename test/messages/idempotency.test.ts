import { randomUUID } from "node:crypto";
import { DeleteMessagesDocument } from "../../operations/generated/operations.ts";
import { after, HOUR } from "../../src/clock.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { deliver, forwardMessage, type Letter, messagesOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let frank: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 10_000, hours: 1000 } } });
  [erin, frank, maria] = [await employee(app, "erin"), await employee(app, "frank"), await member(app, "maria")];
});

afterAll(() => app.close());

test("twenty requests at once with one key send one message, and all get its answer", async () => {
  const letter: Letter = { to: [maria.address], subject: "Once", idempotencyKey: randomUUID() };
  const answers = await Promise.all(Array.from({ length: 20 }, () => sendMessage(erin, letter)));
  expect(new Set(answers.map((answer) => sent(answer).id)).size).toBe(1);
  expect(await messagesOf(maria)).toMatchObject([{ subject: "Once" }]);
  expect(await messagesOf(erin, { folder: "SENT" })).toHaveLength(1);
  await Promise.all(Array.from({ length: 2 }, () => sendMessage(erin, { ...letter, idempotencyKey: randomUUID() })));
  expect(await messagesOf(maria)).toHaveLength(3);
});

test("the answer to a repeated request is how the message stands now", async () => {
  const letter: Letter = { to: [maria.address], subject: "Again", idempotencyKey: randomUUID() };
  const first = sent(await sendMessage(erin, letter));
  expect(await sendMessage(erin, letter)).toEqual({ message: first });
  await erin.client.send("mutation ($id: ID!) { flag(input: { messageIds: [$id] }) { __typename } }", { id: first.id });
  expect(sent(await sendMessage(erin, letter))).toEqual({ ...first, isFlagged: true });
  await erin.client.run(DeleteMessagesDocument, { input: { messageIds: [first.id] } });
  expect(await sendMessage(erin, letter)).toMatchObject({ code: "NOT_FOUND", field: "idempotencyKey" });
});

test("the same key with other input is a conflict, whatever differs, and sends nothing", async () => {
  const letter: Letter = { to: [maria.address], cc: [frank.address], subject: "Exact", text: "Words", priority: "HIGH", idempotencyKey: randomUUID() };
  const first = sent(await sendMessage(erin, letter));
  const count = (await messagesOf(maria)).length;
  const others: Partial<Letter>[] = [
    { subject: "exact" },
    { text: "words" },
    { html: "<p>Words</p>" },
    { priority: "LOW" },
    { to: [frank.address], cc: [maria.address] },
    { to: [maria.address, "more@clinic.example"] },
    { attachmentIds: [await erin.client.uploaded("a.txt", "a")] },
    { to: ["not an address"] },
  ];
  for (const other of others) {
    expect(await sendMessage(erin, { ...letter, ...other })).toMatchObject({ code: "IDEMPOTENCY_CONFLICT", field: "idempotencyKey" });
  }
  expect((await messagesOf(maria)).length).toBe(count);
  expect(sent(await sendMessage(erin, letter)).id).toBe(first.id);
});

test("what is left out and what is null are the same input", async () => {
  const key = randomUUID();
  const send = async (rest: string): Promise<unknown> => {
    const { data } = await erin.client.send(
      `mutation ($mailboxId: ID!, $to: [String!]!, $key: String!) {
        sendMessage(input: { mailboxId: $mailboxId, to: $to, body: { text: "Hello" ${rest.includes("html") ? ", html: null" : ""} }, idempotencyKey: $key ${rest.replace("html", "")} }) {
          ... on SendMessagePayload { message { id } } ... on Problem { code }
        }
      }`,
      { mailboxId: erin.mailboxId, to: [maria.address], key },
    );
    return data?.sendMessage;
  };
  const first = await send("");
  expect(first).toMatchObject({ message: { id: expect.any(String) } });
  expect(await send(", subject: null, priority: null, cc: null, draftId: null html")).toEqual(first);
  expect(await send(', subject: ""')).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
});

test("one key is one operation's: an answer cannot take the key of a message", async () => {
  const { id } = await deliver(maria, erin);
  await openMessage(erin, id);
  const idempotencyKey = randomUUID();
  const reply = sent(await replyToMessage(erin, id, { idempotencyKey }));
  expect(sent(await replyToMessage(erin, id, { idempotencyKey })).id).toBe(reply.id);
  expect(await forwardMessage(erin, id, { to: [frank.address], idempotencyKey })).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  expect(await sendMessage(erin, { to: [maria.address], idempotencyKey })).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
  const forward = { to: [frank.address], idempotencyKey: randomUUID() };
  expect(sent(await forwardMessage(erin, id, forward)).id).toBe(sent(await forwardMessage(erin, id, forward)).id);
});

test("a key of another account is another key", async () => {
  const letter: Letter = { to: [erin.address], subject: "Shared key", idempotencyKey: "the same" };
  const mine = sent(await sendMessage(maria, letter));
  const theirs = sent(await sendMessage(frank, { ...letter, subject: "Another message" }));
  expect(theirs.id).not.toBe(mine.id);
  expect(sent(await sendMessage(maria, letter)).id).toBe(mine.id);
  expect(sent(await sendMessage(frank, { ...letter, subject: "Another message" })).id).toBe(theirs.id);
});

test("a refusal leaves no trace: mended, the message goes under the same key", async () => {
  const letter: Letter = { to: ["lawyer@office.example"], subject: "Mended", idempotencyKey: randomUUID() };
  expect(await sendMessage(maria, letter)).toMatchObject({ code: "RECIPIENT_NOT_EMPLOYEE" });
  expect(await sendMessage(maria, { ...letter, to: ["nonsense"] })).toMatchObject({ code: "INVALID_ADDRESS" });
  expect(await sql(app, "select from idempotency_keys where key = $1", [letter.idempotencyKey])).toEqual([]);
  const mended = { ...letter, to: [erin.address] };
  const own = sent(await sendMessage(maria, mended));
  expect(sent(await sendMessage(maria, mended)).id).toBe(own.id);
  expect(await sendMessage(maria, letter)).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });
});

test("a key is remembered for 24 hours, swept or not, and is a new one then", async () => {
  const letter: Letter = { to: [maria.address], subject: "Daily", idempotencyKey: "daily" };
  app.clock.moveTo(START);
  const first = sent(await sendMessage(erin, letter));
  app.clock.moveTo(after(START, 24 * HOUR - 1));
  await sweep(app.ctx());
  expect(sent(await sendMessage(erin, letter)).id).toBe(first.id);
  expect(await sendMessage(erin, { ...letter, subject: "Other" })).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });

  app.clock.moveTo(after(START, 24 * HOUR));
  const second = sent(await sendMessage(erin, { ...letter, subject: "The next day" }));
  expect(second.id).not.toBe(first.id);
  expect(sent(await sendMessage(erin, { ...letter, subject: "The next day" })).id).toBe(second.id);
  expect(await sendMessage(erin, letter)).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" });

  app.clock.moveTo(after(START, 48 * HOUR));
  await sweep(app.ctx());
  expect(await sql(app, "select from idempotency_keys")).toEqual([]);
});
