import { mailOutcomes } from "../../src/mail-outcomes.ts";
import { sendMails } from "../../src/mailer/send-mails.ts";
import { notifyRecipients } from "../../src/notifications/notify-recipients.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { openMessage } from "../support/mail.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { SmtpSink } from "../support/smtp-sink.ts";
import { eventsOf, sql } from "../support/sql.ts";
import { send } from "../support/writing.ts";

let sink: SmtpSink;
let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  sink = await SmtpSink.start();
  app = await startTestApp({ config: { mail: sink.settings } });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterAll(async () => {
  await app.close();
  await sink.close();
});

async function tellAndSend(): Promise<void> {
  const ctx = app.ctx();
  await notifyRecipients(ctx);
  await sendMails({ ...ctx, config: { ...ctx.config, publicUrl: "https://mail.insurer.example" } }, new AbortController().signal, mailOutcomes);
}

async function statusOf(id: string): Promise<string | undefined> {
  return (await openMessage(erin, id)).recipients[0]?.delivery?.status;
}

test("a notice goes out over TLS, headed by the phrase, with its link and reference and nothing of the message, and its delivery is NOTIFIED", async () => {
  const phrase = (await app.ctx().dataKeys.directory()).seal<string>({ id: maria.accountId, field: "phrase" }, "blue heron");
  await sql(app, "update accounts set phrase = $2 where id = $1", [maria.accountId, phrase]);
  const file = await erin.client.uploaded("FILEMARKER.txt", "CONTENTMARKER");
  const { id } = await send(erin, [maria.address], { subject: "SUBJECTMARKER", text: "BODYMARKER", attachmentIds: [file] });
  await tellAndSend();
  await tellAndSend();
  const [mail, ...further] = await sink.parsed();
  expect(further).toEqual([]);
  expect(mail?.text).toContain("blue heron");
  expect(mail?.text).toMatch(/https:\/\/mail\.insurer\.example\/\?notice=[\w-]{22}\s/);
  const [{ reference } = { reference: "" }] = await sql<{ reference: string }>(app, "select reference from notices");
  expect(mail?.text).toContain(reference);
  const raw = sink.mails[0]?.raw.toString() ?? "";
  for (const words of [raw, mail?.subject, mail?.text, mail?.html]) expect(words).not.toMatch(/MARKER|Test (erin|maria)|erin/);
  expect(mail?.attachments).toEqual([]);
  expect(await statusOf(id)).toBe("NOTIFIED");
});

test("an address that is refused for good makes the delivery FAILED, and gets no further notice", async () => {
  sink.onRecipient = () => "550 5.1.1 No such user";
  const first = await send(erin, ["gone@clinic.example"]);
  await tellAndSend();
  expect(await statusOf(first.id)).toBe("FAILED");
  const second = await send(erin, ["gone@clinic.example"]);
  await tellAndSend();
  expect(await statusOf(second.id)).toBe("FAILED");
  expect(await sql(app, "select kind from mails where address = 'gone@clinic.example'")).toEqual([{ kind: "notice" }]);
  const codes = (await eventsOf(app, erin.mailboxKey)).filter(({ action }) => action === "delivery.failed").map(({ code }) => code);
  expect(codes).toEqual(["REFUSED", "DEAD_ADDRESS"]);
});
