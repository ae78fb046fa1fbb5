import {
  MessageReferenceDocument,
  ReportSuspectedNoticeDocument,
  type ReportSuspectedNoticeInput,
  SuspectedNoticesDocument,
  VerifyNoticeDocument,
} from "../../operations/generated/operations.ts";
import { print } from "graphql";
import { AccountKind } from "../../src/accounts/account.ts";
import { attemptRules } from "../../src/accounts/throttle.ts";
import { after, HOUR, SECOND } from "../../src/clock.ts";
import { mailOutcomes } from "../../src/mail-outcomes.ts";
import { sendMails } from "../../src/mailer/send-mails.ts";
import { notifyRecipients } from "../../src/notifications/notify-recipients.ts";
import { newReference, readReference } from "../../src/notifications/reference.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { deliver } from "../support/mail.ts";
import { mailsTo } from "../support/mails.ts";
import { employee, member, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { forgetAttempts } from "../support/signing-in.ts";
import { SmtpSink } from "../support/smtp-sink.ts";
import { eventsOf, sql } from "../support/sql.ts";
import { send } from "../support/writing.ts";

let sink: SmtpSink;
let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;
let nobody: Client;
let reference: string;
let messageId: string;

beforeAll(async () => {
  sink = await SmtpSink.start();
  app = await startTestApp({ config: { session: { idleMinutes: 600, hours: 24 }, mail: sink.settings } });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
  nobody = new Client(app.url);
  ({ id: messageId } = await deliver(erin, maria));
  await notifyRecipients(app.ctx()); // Which queues the notice
  reference = await referenceIn(maria.address);
  expect(await verify(reference)).toEqual({ sentByUs: false, sentOn: null }); // Nobody can have it yet
  await sendQueued();
});

afterAll(async () => {
  await app.close();
  await sink.close();
});

beforeEach(() => forgetAttempts(app));

/** Sends what is queued. */
async function sendQueued(): Promise<void> {
  await sendMails(app.ctx(), new AbortController().signal, mailOutcomes);
}

async function referenceIn(address: string): Promise<string> {
  return ((await mailsTo(app, address)).at(-1)?.data as { reference: string }).reference;
}

async function verify(text: string) {
  return (await nobody.run(VerifyNoticeDocument, { reference: text })).verifyNotice;
}

test("anybody can have a notice verified by its reference, and learns when it was sent and nothing else", async () => {
  expect(await verify(reference)).toEqual({ sentByUs: true, sentOn: START.toISOString() });
  expect(await verify(newReference())).toEqual({ sentByUs: false, sentOn: null });
  for (const text of ["", "x", "K7F2M", `${reference}0`, "😀".repeat(10), "0".repeat(100_000), "a\0b"]) {
    expect(await verify(text)).toEqual({ sentByUs: false, sentOn: null });
  }
  const { data, status } = await nobody.send("query ($r: String!) { verifyNotice(reference: $r) { __typename sentByUs sentOn } }", { r: reference });
  expect({ data, status }).toEqual({ status: 200, data: { verifyNotice: { __typename: "NoticeVerification", sentByUs: true, sentOn: START.toISOString() } } });
});

test("it may be typed in any case, with spaces, without its dash, and with O for 0, I and L for 1", async () => {
  await sql(app, "update notices set reference = '01ABC-10XYZ' where reference = $1", [reference]);
  for (const text of ["01ABC-10XYZ", "01abc-10xyz", " 01ABC 10XYZ\n", "01ABC10XYZ", "0 1 a b c – 1 0 x y z", "oIabc-lOxyz"]) {
    expect(await verify(text)).toEqual({ sentByUs: true, sentOn: START.toISOString() });
  }
  await sql(app, "update notices set reference = $1 where reference = '01ABC-10XYZ'", [reference]);
  expect(await verify("01ABC-10XYZ")).toEqual({ sentByUs: false, sentOn: null });
});

test("references are read as they are written, and no two are alike", () => {
  const references = Array.from({ length: 10_000 }, newReference);
  expect(new Set(references).size).toBe(10_000);
  for (const text of references) expect(readReference(text.toLowerCase().replace("-", ""))).toBe(text);
});

test("a reference of ours and any other take the same time", async () => {
  const body = (text: string) => JSON.stringify({ query: print(VerifyNoticeDocument), variables: { reference: text } });
  const time = async (text: string): Promise<number> => {
    await forgetAttempts(app); // Whoever has to wait is not answered
    const began = performance.now();
    const answer = await (await fetch(`${app.url}/graphql`, { method: "POST", headers: { "content-type": "application/json" }, body: body(text) })).text();
    const took = performance.now() - began;
    expect(answer).toContain(`"sentByUs":${text === reference}`);
    return took;
  };
  const times: Record<string, number[]> = { ours: [], others: [], malformed: [] };
  for (let n = 0; n < 25; n += 1) await time(reference);
  for (let n = 0; n < 300; n += 1) {
    if (n % 8 === 0) await forgetAttempts(app); // So that nobody has to wait
    times.ours?.push(await time(reference));
    times.others?.push(await time(newReference()));
    times.malformed?.push(await time("not a reference"));
  }
  const figures = Object.fromEntries(Object.entries(times).map(([name, all]) => [name, distribution(all)]));
  const lines = Object.entries(figures).map(([name, { mean, deviation, p50, p95 }]) => {
    const [a, b, c, d] = [mean, deviation, p50, p95].map((ms) => ms.toFixed(2));
    return `verifyNotice, ${name}: mean ${a} ms, deviation ${b}, p50 ${c}, p95 ${d}\n`;
  });
  process.stdout.write(lines.join(""));
  const all = Object.values(figures);
  const [least = NaN, most = NaN] = [Math.min, Math.max].map((pick) => pick(...all.map(({ p50 }) => p50)));
  expect(most - least).toBeLessThan(5);
  for (const one of all)
    for (const other of all) expect(Math.abs(one.mean - other.mean)).toBeLessThan(5 * Math.hypot(one.deviation, other.deviation) * Math.sqrt(1 / 300)); // Five standard errors
});

function distribution(all: readonly number[]): { mean: number; deviation: number; p50: number; p95: number } {
  const sorted = all.toSorted((a, b) => a - b);
  const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((sum, one) => sum + (one - mean) ** 2, 0) / all.length);
  return { mean, deviation, p50: sorted[Math.floor(all.length / 2)] ?? 0, p95: sorted[Math.floor(all.length * 0.95)] ?? 0 };
}

test("the same reference stands on the message, for its recipient alone", async () => {
  expect((await maria.client.run(MessageReferenceDocument, { id: messageId })).message?.reference).toBe(reference);
  const own = await send(erin, [maria.address]);
  expect((await erin.client.run(MessageReferenceDocument, { id: own.id })).message?.reference).toBeNull();
  const { data, errors } = await erin.client.send(print(MessageReferenceDocument), { id: messageId });
  expect({ data, code: errors?.[0]?.extensions?.code }).toEqual({ data: { message: null }, code: "NOT_FOUND" });
});

test("of a message that was told of together with others, the digest's reference stands there", async () => {
  const few = await startTestApp({ beside: app, limits: { maxNoticesPerHour: 1 } });
  try {
    const olga = await member(app, "olga");
    const first = await deliver(erin, olga);
    app.clock.advance(SECOND);
    const second = await deliver(erin, olga);
    await few.runJobsOnce();
    expect((await olga.client.run(MessageReferenceDocument, { id: second.id })).message?.reference).toBeNull();
    app.clock.moveTo(after(START, HOUR));
    await notifyRecipients(few.ctx());
    const digest = await referenceIn(olga.address);
    expect((await olga.client.run(MessageReferenceDocument, { id: second.id })).message?.reference).toBe(digest);
    expect((await olga.client.run(MessageReferenceDocument, { id: first.id })).message?.reference).not.toBe(digest);
    await sendQueued();
    expect(await verify(digest)).toEqual({ sentByUs: true, sentOn: after(START, HOUR).toISOString() });
  } finally {
    app.clock.moveTo(START);
    await few.close();
  }
});

test("whoever asks very often has to wait, and is told for how long, for a reference of ours and any other alike", async () => {
  for (let n = 1; n < attemptRules["verify-notice/source"].free; n += 1) await verify(n % 2 === 0 ? reference : newReference());
  expect(await verify(reference)).toMatchObject({ sentByUs: true });
  for (const text of [reference, newReference(), "x"]) {
    const { data, errors } = await nobody.send(print(VerifyNoticeDocument), { reference: text });
    expect(data).toEqual({ verifyNotice: null });
    expect(errors?.[0]?.extensions).toMatchObject({ code: "THROTTLED", retryAfter: expect.any(Number) });
  }
  await forgetAttempts(app);
  expect(await verify(reference)).toMatchObject({ sentByUs: true });
});

describe("a suspected notice", () => {
  let ada: SignedInPerson;
  const report = async (client: Client, input: ReportSuspectedNoticeInput) =>
    (await client.run(ReportSuspectedNoticeDocument, { input })).reportSuspectedNotice;

  beforeAll(async () => {
    ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
  });

  test("can be reported by anybody, is kept sealed, and is read by administrators, newest first", async () => {
    const link = "https://insurer.example.evil.example/?notice=x";
    expect(await report(nobody, { reference, description: "It asks for my PASSWORDMARKER", link })).toEqual({ reportedAt: START.toISOString() });
    app.clock.advance(SECOND);
    expect(await report(maria.client, { reference: "AAAAA-AAAAA" })).toHaveProperty("reportedAt");
    const stored = await sql<{ report: Buffer }>(app, "select report from suspected_notices");
    for (const row of stored) expect(row.report.toString("latin1")).not.toMatch(/PASSWORDMARKER|evil|AAAAA/);
    const { suspectedNotices } = await ada.client.run(SuspectedNoticesDocument, { first: 1 });
    expect(suspectedNotices).toMatchObject({
      edges: [{ node: { reference: "AAAAA-AAAAA", isReferenceOurs: false, description: null, link: null, reportedBy: { userId: "maria" } } }],
      pageInfo: { hasNextPage: true },
    });
    const next = await ada.client.run(SuspectedNoticesDocument, { first: 1, after: suspectedNotices?.pageInfo.endCursor });
    expect(next.suspectedNotices).toMatchObject({
      edges: [{ node: { reference, isReferenceOurs: true, description: "It asks for my PASSWORDMARKER", link, reportedBy: null } }],
      pageInfo: { hasNextPage: false },
    });
    const events = (await eventsOf(app)).filter(({ action }) => action.startsWith("notice."));
    expect(events.map(({ action, actor_id }) => [action, actor_id])).toEqual([
      ["notice.reported", null],
      ["notice.reported", maria.accountId],
      ["notice.reports-viewed", ada.accountId],
      ["notice.reports-viewed", ada.accountId],
    ]);
  });

  test("is not shown to anybody else", async () => {
    for (const person of [maria, erin]) {
      const { data, errors } = await person.client.send(print(SuspectedNoticesDocument), {});
      expect({ data, code: errors?.[0]?.extensions?.code }).toEqual({ data: { suspectedNotices: null }, code: "FORBIDDEN" });
    }
  });

  test("is taken ten times from one place; then whoever reports has to wait", async () => {
    for (let n = 0; n < attemptRules["report-notice/source"].free; n += 1) expect(await report(nobody, { description: "Odd" })).toHaveProperty("reportedAt");
    expect(await report(nobody, { description: "Odd" })).toMatchObject({ code: "THROTTLED" });
  });

  test.each([
    [{}, "INVALID_INPUT"],
    [{ description: "  " }, "INVALID_INPUT"],
    [{ description: "é".repeat(2001) }, "LIMIT_EXCEEDED"],
    [{ link: "x".repeat(2001) }, "LIMIT_EXCEEDED"],
    [{ reference: "x".repeat(101) }, "LIMIT_EXCEEDED"],
  ])("needs something to say, and not too much: case %#", async (input, code) => {
    expect(await report(nobody, input)).toMatchObject({ code });
    expect(await report(nobody, { description: "é".repeat(2000), link: "x".repeat(2000), reference: "x".repeat(100) })).toHaveProperty("reportedAt");
  });
});
