import type { ParsedMail } from "mailparser";
import { EnrolDocument, RequestValidationDocument, ValidateAddressDocument, ViewerDocument } from "../../operations/generated/operations.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { messagesOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, type SignedInPerson } from "../support/people.ts";
import { SmtpSink } from "../support/smtp-sink.ts";

const ADDRESS = "nadia.khan@mail.example";

let sink: SmtpSink;
let app: TestApp;
let erin: SignedInPerson;

beforeAll(async () => {
  sink = await SmtpSink.start();
  app = await startTestApp({ config: { mail: sink.settings } });
  erin = await employee(app, "erin");
});

afterAll(async () => {
  await app.close();
  await sink.close();
});

/** The mail that came last, once there are so many. */
async function mailNumber(n: number): Promise<ParsedMail> {
  return eventually(async () => {
    await app.runJobsOnce();
    const mail = (await sink.parsed())[n - 1];
    if (mail === undefined) throw new Error(`There is no mail ${n} yet`);
    return mail;
  });
}

test("somebody new gets a notice, follows it, proves the address, enrols, reads and answers; nobody else could have", async () => {
  sent(await sendMessage(erin, { to: [ADDRESS], subject: "Your surgery in May", text: "The clinic has a bed for you." }));

  const notice = await mailNumber(1);
  expect(notice.to).toMatchObject({ text: ADDRESS });
  expect(`${notice.subject} ${notice.text} ${String(notice.html)}`).not.toMatch(/surgery|clinic|a bed|Test erin/i);
  const noticeToken = /\/\?notice=([\w-]{22})/.exec(notice.text ?? "")?.[1] ?? "";
  const visitor = new Client(app.url);
  expect((await visitor.run(ViewerDocument, {})).viewer).toBeNull(); // The link is no credential

  expect((await visitor.run(RequestValidationDocument, { input: { noticeToken } })).requestValidation).toHaveProperty("expiresAt");
  const mailed = await mailNumber(2);
  expect(mailed.to).toMatchObject({ text: ADDRESS });
  const [code = ""] = /\b\d{8}\b/.exec(mailed.text ?? "") ?? [];
  const link = /https?:\/\/\S+\/validate#token=[\w-]+/.exec(mailed.text ?? "")?.[0] ?? "";
  const opened = await fetch(`${app.url}${new URL(link).pathname}`); // As a mail scanner does; what is behind the # never leaves it
  expect(opened.status).toBeLessThan(400);

  const wrong = { noticeToken, code: code === "00000000" ? "00000001" : "00000000" };
  expect((await visitor.run(ValidateAddressDocument, { input: wrong })).validateAddress).toMatchObject({ code: "INVALID_CODE" });
  const { validateAddress } = await visitor.run(ValidateAddressDocument, { input: { noticeToken, code } });
  expect(validateAddress).toMatchObject({ address: ADDRESS, hasAccount: false });
  const { enrolmentToken } = validateAddress as { enrolmentToken: string };

  const wishes = { enrolmentToken, userId: "nadia", displayName: "Nadia Khan", language: "ES" as const, personalPhrase: "green parrot" };
  const { enrol: weak } = await visitor.run(EnrolDocument, { input: { ...wishes, password: "passwordpassword" } });
  expect(weak).toMatchObject({ code: "WEAK_PASSWORD", field: "password" });
  const { enrol } = await visitor.run(EnrolDocument, { input: { ...wishes, password: "blue kettle runs north" } });
  expect(enrol).toMatchObject({ account: { userId: "nadia", address: ADDRESS, kind: "MEMBER", language: "ES" } });
  const client = new Client(app.url, (enrol as { token: string }).token);

  const mailboxId = (await client.run(ViewerDocument, {})).viewer?.mailboxes[0]?.id ?? "";
  const nadia = { ...erin, client, mailboxId, address: ADDRESS };
  const [waiting] = await messagesOf(nadia);
  expect(waiting).toMatchObject({ subject: "Your surgery in May" });
  expect((await openMessage(nadia, waiting?.id ?? "")).body).toMatchObject({ text: "The clinic has a bed for you." });
  expect(sent(await replyToMessage(nadia, waiting?.id ?? ""))).toMatchObject({ subject: "Re: Your surgery in May" });

  sent(await sendMessage(erin, { to: [ADDRESS], subject: "One thing more" }));
  const second = await eventually(async () => {
    await app.runJobsOnce();
    const mail = (await sink.parsed()).findLast(({ to }) => to && "text" in to && to.text === ADDRESS);
    expect(mail?.messageId).not.toBe(mailed.messageId);
    return mail;
  });
  expect(second?.text).toContain("green parrot"); // In her language, headed by her own words
  expect(second?.headers.get("content-language")).toBe("es");
});
