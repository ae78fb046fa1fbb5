import { type MailboxChangedSubscription, MailboxChangedDocument } from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { after, before, DAY, HOUR, MINUTE } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { warnOfExpiry } from "../../src/retention/warn-of-expiry.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { fetchChanges } from "../support/feed.ts";
import { liftHold, placeHold } from "../support/holds.ts";
import { deliver, messagesOf, sendMessage, sent } from "../support/mail.ts";
import { employee, member, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";
import { fetchState, send } from "../support/writing.ts";

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

/** The warnings in a mailbox: days, and the subject of the copy that each is about. */
async function warningsOf({ mailboxKey }: SignedInPerson): Promise<string[]> {
  const rows = await sql<{ code: string }>(app, "select code from events where action = 'message.expiring' and mailbox_id = $1 order by sequence", [
    mailboxKey,
  ]);
  return rows.map(({ code }) => code);
}

async function at(instant: Date): Promise<void> {
  app.clock.moveTo(instant);
  await warnOfExpiry(app.ctx());
}

test("each mailbox with a copy is warned 30, 7 and 1 days before expiry, once each, and not a moment early", async () => {
  const { id } = await deliver(erin, maria, { subject: "Soon gone" });
  const { cursor } = await fetchState(maria.client, maria.mailboxId);
  const live = maria.client.subscribe(MailboxChangedDocument, { mailboxId: maria.mailboxId, after: cursor });
  for (const days of [30, 7, 1]) {
    const earlier = await warningsOf(maria);
    await at(before(EXPIRY, days * DAY + MINUTE));
    expect(await warningsOf(maria)).toEqual(earlier);
    await at(before(EXPIRY, days * DAY));
    const event: MailboxChangedSubscription["mailboxChanged"] | undefined = (await live.next())?.mailboxChanged;
    expect(event).toMatchObject({ daysLeft: days, message: { id, subject: "Soon gone", expiresAt: EXPIRY.toISOString(), isRead: false } });
    await at(before(EXPIRY, days * DAY - MINUTE));
  }
  await live.close();
  await at(before(EXPIRY, MINUTE));
  await at(EXPIRY);
  for (const mailbox of [maria, erin]) expect(await warningsOf(mailbox)).toEqual(["30", "7", "1"]);
  expect((await fetchChanges(maria.client, maria.mailboxId, cursor, 100)).events).toEqual([]); // it is gone, and with it what was said of it
});

test("whoever deleted their copy is not warned of it", async () => {
  const { id } = await deliver(erin, maria);
  await maria.client.send("mutation ($id: ID!) { deleteMessages(input: { messageIds: [$id] }) { __typename } }", { id });
  await at(before(EXPIRY, 7 * DAY));
  expect(await warningsOf(maria)).toEqual([]);
  expect(await warningsOf(erin)).toEqual(["7"]);
});

test("after an outage the nearest distance alone is told of, and nothing of what has expired", async () => {
  for (const [subject, ago] of Object.entries({ expired: 180, tomorrow: 179.5, "this week": 175, "this month": 160, later: 100 })) {
    app.clock.moveTo(before(START, ago * DAY));
    await send(erin, [maria.address], { subject });
  }
  const { cursor } = await fetchState(maria.client, maria.mailboxId);
  await at(START);
  const { events } = await fetchChanges(maria.client, maria.mailboxId, cursor, 100);
  expect(events.map((event) => event.__typename === "MessageExpiring" && `${event.message.subject} ${event.daysLeft}`)).toEqual([
    "tomorrow 1",
    "this week 7",
    "this month 30",
  ]);
  await at(after(START, HOUR));
  expect(await warningsOf(maria)).toHaveLength(3);
});

test("more than a batch that expires at one instant is warned of once each, by several nodes at once", async () => {
  const tom = await member(app, "tom");
  for (let n = 0; n < 120; n += 1) sent(await sendMessage(erin, { to: [maria.address, tom.address] }));
  app.clock.moveTo(before(EXPIRY, DAY));
  await Promise.all(Array.from({ length: 4 }, () => warnOfExpiry(app.ctx())));
  expect(
    await sql(
      app,
      "select count(*)::int as n, count(distinct (mailbox_id, subject_id))::int as copies, min(code) as least, max(code) as most from events where action = 'message.expiring'",
    ),
  ).toEqual([{ n: 360, copies: 360, least: "1", most: "1" }]);
});

test("a held message is warned of by its held expiry; released, it gets the warning that it missed", async () => {
  const ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
  const [held, released] = [await deliver(erin, maria, { subject: "Held" }), await deliver(erin, maria, { subject: "Released" })];
  const until = after(START, 365 * DAY);
  await placeHold(ada, held.id, { until: until.toISOString() });
  const holdId = await placeHold(ada, released.id, { until: until.toISOString() });
  await at(before(EXPIRY, 5 * DAY));
  expect(await warningsOf(maria)).toEqual([]);
  await liftHold(ada, holdId);
  expect(await warningsOf(maria)).toEqual(["7"]);
  await at(before(EXPIRY, DAY));
  expect(await warningsOf(maria)).toEqual(["7", "1"]);
  await at(before(until, 30 * DAY));
  expect(await warningsOf(maria)).toEqual(["7", "1", "30"]);
  expect((await messagesOf(maria)).map(({ subject }) => subject)).toEqual(["Held"]);
});
