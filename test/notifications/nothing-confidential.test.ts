import { DAY, HOUR } from "../../src/clock.ts";
import { Language } from "../../src/mailer/language.ts";
import { type MailData, mailKinds } from "../../src/mailer/mail-kinds.ts";
import type { MailText } from "../../src/mailer/mail-text.ts";
import { notifyRecipients } from "../../src/notifications/notify-recipients.ts";
import { remindOfUnread } from "../../src/notifications/remind-of-unread.ts";
import { warnOfExpiry } from "../../src/retention/warn-of-expiry.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { mailsTo } from "../support/mails.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";
import { send } from "../support/writing.ts";

const noticeKinds = ["notice", "reminder", "expiry-notice", "digest"] as const;
const brand = { organisation: "Example Health", publicUrl: "https://mail.insurer.example" };

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 10_000 * 24 * 60, hours: 10_000 * 24 } }, limits: { maxNoticesPerHour: 1 } });
  [erin, maria] = [await employee(app, "erinmarker"), await member(app, "maria")];
});

afterAll(() => app.close());

/** A mail of a notice as it will be laid out, all of its words. */
function wordsOf<Kind extends keyof MailData>(kind: Kind, language: Language, data: MailData[Kind]): string {
  const { subject, paragraphs, code = "", link = { label: "", url: "" }, reference = "" }: MailText = mailKinds[kind][language](data, brand);
  return [subject, ...paragraphs, code, link.label, link.url, reference].join("\n");
}

test("a notice says nothing of the message, whoever wrote what in it, in any language; only its link and reference are its own", async () => {
  const file = await erin.client.uploaded("FILEMARKER-biopsy.txt", "CONTENTMARKER");
  const letter = { subject: "SUBJECTMARKER biopsy", text: "BODYMARKER https://evil.example/", html: "<p>HTMLMARKER</p>", attachmentIds: [file] };
  await send(erin, [maria.address], letter);
  await send(erin, [maria.address], { subject: "SUBJECTMARKER two" });
  for (const days of [0, 3, 14, 150, 173, 179]) {
    app.clock.moveTo(new Date(START.getTime() + days * DAY));
    for (let hours = 0; hours < 2; hours += 1) {
      await warnOfExpiry(app.ctx());
      await remindOfUnread(app.ctx());
      await notifyRecipients(app.ctx());
      app.clock.advance(HOUR);
    }
  }
  const mails = await mailsTo(app, maria.address);
  expect(new Set(mails.map(({ kind }) => kind))).toEqual(new Set(noticeKinds));
  const confidential = /MARKER|biopsy|evil|Test (erin|maria)|erin|@|maria/i;
  for (const { kind, data } of mails) {
    const known = noticeKinds.find((one) => one === kind);
    if (known === undefined) throw new Error(`There is no ${kind}`);
    for (const language of [Language.EN, Language.ES]) {
      const words = wordsOf(known, language, data as MailData[typeof known]);
      expect(words).not.toMatch(confidential);
      const { token, reference } = data as MailData["notice"];
      expect(words).toContain(`https://mail.insurer.example/?notice=${token}`);
      expect(words).toContain(reference);
      // With numbers and signs taken out, what is left is one fixed text.
      const plain = (text: string, sign: { token: string; reference: string }): string => text.replaceAll(sign.token, "").replaceAll(sign.reference, "");
      const other = { ...(data as MailData["digest"]), token: "T".repeat(22), reference: "00000-00000" };
      expect(plain(words, { token, reference })).toBe(plain(wordsOf(known, language, other as MailData[typeof known]), other));
    }
  }
  expect(JSON.stringify(mails)).not.toMatch(confidential);
  const columns = await sql(app, "select kind, language from mails");
  expect(JSON.stringify(columns)).not.toMatch(confidential);
  expect(app.logged.join("\n")).not.toMatch(/MARKER/);
});

test("no text of a notice has a health word or asks for anything secret, and every language has its own", () => {
  const data = { token: "T".repeat(22), reference: "K7F2M-9QX4D", days: 3, waiting: 3, expiring: 1 };
  for (const kind of noticeKinds) {
    const [english, spanish] = [wordsOf(kind, Language.EN, data), wordsOf(kind, Language.ES, data)];
    expect(english).not.toBe(spanish);
    for (const words of [english, spanish]) {
      expect(words.replaceAll("Example Health", "")).not.toMatch(
        /health|salud|medic|médic|claim|diagnos|treatment|patient|paciente|appeal|doctor|hospital|insur(?!er\.example)|segur(o|os) médic/i,
      );
      expect(words.match(/https?:\S+/g)).toEqual([`https://mail.insurer.example/?notice=${data.token}`]);
    }
  }
});
