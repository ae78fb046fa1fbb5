import {
  NotificationPreferencesDocument,
  UpdateNotificationPreferencesDocument,
  type UpdateNotificationPreferencesInput,
} from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { after, before, DAY, HOUR, MINUTE } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { notifyRecipients } from "../../src/notifications/notify-recipients.ts";
import { remindOfUnread } from "../../src/notifications/remind-of-unread.ts";
import { warnOfExpiry } from "../../src/retention/warn-of-expiry.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { liftHold, placeHold } from "../support/holds.ts";
import { deliver, openMessage } from "../support/mail.ts";
import { mailsTo } from "../support/mails.ts";
import { employee, member, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";
import { send } from "../support/writing.ts";

const EXPIRY = after(START, RETENTION_DAYS * DAY);
const session = { idleMinutes: 10_000 * 24 * 60, hours: 10_000 * 24 };

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp({ config: { session, stepUpMinutes: 1_000_000 } });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterEach(() => app.close());

/** What the schedule does at an instant. */
async function at(instant: Date): Promise<void> {
  app.clock.moveTo(instant);
  await warnOfExpiry(app.ctx());
  await remindOfUnread(app.ctx());
  await notifyRecipients(app.ctx());
}

/** The mails to somebody, each with the days it names. */
async function mails({ address }: { address: string }): Promise<string[]> {
  return (await mailsTo(app, address)).map(({ kind, data }) => {
    const { days, waiting, expiring } = data as { days?: number; waiting?: number; expiring?: number };
    return [kind, days, waiting, expiring].filter((part) => part !== undefined).join(" ");
  });
}

async function prefer(person: SignedInPerson, input: UpdateNotificationPreferencesInput) {
  return (await person.client.run(UpdateNotificationPreferencesDocument, { input })).updateNotificationPreferences;
}

async function preferencesOf(person: SignedInPerson) {
  return (await person.client.run(NotificationPreferencesDocument, {})).viewer?.account.notificationPreferences;
}

describe("an unread message", () => {
  test("is told of again after 3 and 14 days, and 30, 7 and 1 days before it expires, once each and not a moment early", async () => {
    await send(erin, [maria.address]);
    const expected = ["notice"];
    await at(START);
    const steps: [Date, string][] = [
      [after(START, 3 * DAY), "reminder 3"],
      [after(START, 14 * DAY), "reminder 14"],
      [before(EXPIRY, 30 * DAY), "expiry-notice 30"],
      [before(EXPIRY, 7 * DAY), "expiry-notice 7"],
      [before(EXPIRY, DAY), "expiry-notice 1"],
    ];
    for (const [instant, mail] of steps) {
      await at(before(instant, MINUTE));
      expect(await mails(maria)).toEqual(expected);
      await at(instant);
      expect(await mails(maria)).toEqual([...expected, mail]);
      expected.push(mail);
      await at(after(instant, MINUTE));
    }
    expect(await mails(erin)).toEqual([]);
    await at(EXPIRY);
    await at(after(EXPIRY, 30 * DAY));
    expect(await sql(app, "select count(*)::int as n from mails")).toEqual([{ n: expected.length }]);
  });

  test("is told of no more once it was opened, marked read, thrown away or deleted", async () => {
    const [opened, marked, thrown, deleted] = [await deliver(erin, maria), await deliver(erin, maria), await deliver(erin, maria), await deliver(erin, maria)];
    await deliver(erin, maria);
    await at(START);
    await openMessage(maria, opened.id);
    await maria.client.send("mutation ($id: ID!) { markRead(input: { messageIds: [$id] }) { __typename } }", { id: marked.id });
    await maria.client.send("mutation ($id: ID!) { moveToFolder(input: { messageIds: [$id], folder: TRASH }) { __typename } }", { id: thrown.id });
    await maria.client.send("mutation ($id: ID!) { deleteMessages(input: { messageIds: [$id] }) { __typename } }", { id: deleted.id });
    await at(after(START, 3 * DAY));
    expect((await mails(maria)).slice(5)).toEqual(["reminder 3"]);
  });

  test("is told of by default to somebody who has no account yet", async () => {
    await send(erin, ["nobody-yet@clinic.example"]);
    await at(START);
    await at(after(START, 3 * DAY));
    await at(before(EXPIRY, 7 * DAY));
    expect(await mails({ address: "nobody-yet@clinic.example" })).toEqual(["notice", "reminder 3", "expiry-notice 7"]);
  });

  test("is reminded of once by several nodes at once, and after a long outage not of what is long past", async () => {
    for (let n = 0; n < 5; n += 1) await send(erin, [maria.address]);
    await at(START);
    app.clock.moveTo(after(START, 3 * DAY));
    await Promise.all(Array.from({ length: 4 }, () => remindOfUnread(app.ctx()).then(() => notifyRecipients(app.ctx()))));
    await notifyRecipients(app.ctx());
    expect((await mails(maria)).slice(5)).toEqual(Array.from({ length: 5 }, () => "reminder 3"));
    await sql(app, "update reminders set reminded_through = '00000000-0000-0000-0000-000000000000'");
    await at(after(START, 31 * DAY));
    expect(await mails(maria)).toHaveLength(10);
  });

  test("is warned of by its held expiry; released, it gets the warning that it missed", async () => {
    const ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
    const message = await deliver(erin, maria);
    await at(START);
    const holdId = await placeHold(ada, message.id, { until: after(START, 365 * DAY).toISOString() });
    await at(before(EXPIRY, 5 * DAY));
    expect((await mails(maria)).slice(1)).toEqual([]);
    await liftHold(ada, holdId);
    await notifyRecipients(app.ctx());
    expect((await mails(maria)).slice(1)).toEqual(["expiry-notice 7"]);
  });
});

describe("preferences", () => {
  test("begin as the defaults, change field by field, and are seen by their owner alone", async () => {
    const defaults = { delivery: "IMMEDIATE", reminders: true, expiryWarnings: true };
    expect(await preferencesOf(maria)).toEqual(defaults);
    expect(await prefer(maria, { reminders: false })).toEqual({ notificationPreferences: { ...defaults, reminders: false } });
    await prefer(maria, { delivery: "DAILY_DIGEST" });
    expect(await preferencesOf(maria)).toEqual({ delivery: "DAILY_DIGEST", reminders: false, expiryWarnings: true });
    expect(await preferencesOf(erin)).toEqual(defaults);
    expect(await sql(app, "select action, code from events where action like 'notice.%'")).toEqual([
      { action: "notice.preferences-updated", code: "IMMEDIATE" },
      { action: "notice.preferences-updated", code: "DAILY_DIGEST" },
    ]);
  });

  test("turn reminders and warnings off, each for itself", async () => {
    await prefer(maria, { reminders: false });
    await send(erin, [maria.address]);
    await at(START);
    await at(after(START, 3 * DAY));
    expect(await mails(maria)).toEqual(["notice"]);
    await at(before(EXPIRY, 30 * DAY));
    expect(await mails(maria)).toEqual(["notice", "expiry-notice 30"]);
    await prefer(maria, { reminders: true, expiryWarnings: false });
    await at(before(EXPIRY, 7 * DAY));
    expect(await mails(maria)).toHaveLength(2);
  });

  test("make it one mail a day, of all that came, of reminders and of warnings; none on a day without any", async () => {
    await prefer(maria, { delivery: "DAILY_DIGEST" });
    for (let n = 0; n < 3; n += 1) await send(erin, [maria.address]);
    await at(START);
    app.clock.moveTo(after(START, HOUR));
    await send(erin, [maria.address]);
    await at(after(START, 2 * HOUR));
    expect(await mails(maria)).toEqual([]);
    const six = (days: number): Date => after(new Date("2026-03-02T06:00:00Z"), days * DAY);
    await at(before(six(1), MINUTE));
    expect(await mails(maria)).toEqual([]);
    app.clock.moveTo(six(1));
    await Promise.all([notifyRecipients(app.ctx()), notifyRecipients(app.ctx())]);
    expect(await mails(maria)).toEqual(["digest 4 0"]);
    await at(six(2));
    await at(six(3));
    expect(await mails(maria)).toHaveLength(1);
    await at(after(six(3), 4 * HOUR)); // Three days after the sending: the next digest says it
    expect(await mails(maria)).toHaveLength(1);
    await at(six(4));
    expect(await mails(maria)).toEqual(["digest 4 0", "digest 4 0"]);
    await at(before(EXPIRY, 30 * DAY));
    await at(before(EXPIRY, 30 * DAY - 2 * HOUR));
    await at(before(EXPIRY, 29 * DAY));
    expect((await mails(maria)).at(-1)).toBe("digest 4 4");
  });

  test("make a digest of what is still unread when it is due", async () => {
    await prefer(maria, { delivery: "DAILY_DIGEST" });
    const [one, two] = [await deliver(erin, maria), await deliver(erin, maria)];
    await at(START);
    await openMessage(maria, one.id);
    await at(after(START, DAY));
    expect(await mails(maria)).toEqual(["digest 1 0"]);
    await deliver(erin, maria);
    await at(after(START, DAY + HOUR));
    await openMessage(maria, two.id);
    const { data } = await maria.client.send<{ mailbox: { messages: { edges: { node: { id: string } }[] } } }>(
      "query ($id: ID!) { mailbox(id: $id) { messages(first: 1) { edges { node { id } } } } }",
      { id: maria.mailboxId },
    );
    await openMessage(maria, data?.mailbox.messages.edges[0]?.node.id ?? "");
    await at(after(START, 2 * DAY));
    expect(await mails(maria)).toEqual(["digest 1 0"]);
  });
});
