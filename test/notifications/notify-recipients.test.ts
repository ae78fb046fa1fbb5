import { randomUUID } from "node:crypto";
import { AccountKind } from "../../src/accounts/account.ts";
import { DAY, HOUR } from "../../src/clock.ts";
import { Language } from "../../src/mailer/language.ts";
import { forgetNotices } from "../../src/notifications/forget-notices.ts";
import { noticeByToken } from "../../src/notifications/notice-by-token.ts";
import { noticeOutcome } from "../../src/notifications/mail-outcome.ts";
import { notifyRecipients } from "../../src/notifications/notify-recipients.ts";
import { inTransaction } from "../../src/context.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { fetchChanges } from "../support/feed.ts";
import { deliver, openMessage, sendMessage, sent } from "../support/mail.ts";
import { mailsTo } from "../support/mails.ts";
import { createTeam, employee, member, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";
import { fetchState, send } from "../support/writing.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 100 * 24 * 60, hours: 100 * 24 } } });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterEach(() => app.close());

/** What became of the first recipient's copy, as the sender sees it. */
async function statusOf(sender: SignedInPerson, id: string): Promise<string | undefined> {
  const { data } = await sender.client.send<{ message: { recipients: { delivery: { status: string } }[] } }>(
    "query ($id: ID!) { message(id: $id) { recipients { delivery { status } } } }",
    { id },
  );
  return data?.message.recipients[0]?.delivery.status;
}

async function kindsTo(address: string): Promise<string[]> {
  return (await mailsTo(app, address)).map(({ kind }) => kind);
}

/** The mail server took, or refused for good, all that is queued for an address. */
async function markSent(address: string): Promise<void> {
  const mails = await sql<{ id: string; kind: "notice" }>(
    app,
    "update mails set sent_at = $2, next_at = null where address = $1 and sent_at is null returning id, kind",
    [address, app.clock.now()],
  );
  await inTransaction(app.ctx(), (ctx) => noticeOutcome.sent(ctx, mails));
}

async function markFailed(address: string): Promise<void> {
  const mails = await sql<{ id: string; kind: "notice" }>(
    app,
    "update mails set failed_at = $2, next_at = null where address = $1 and failed_at is null returning id, kind",
    [address, app.clock.now()],
  );
  for (const mail of mails) await inTransaction(app.ctx(), (ctx) => noticeOutcome.failed(ctx, { ...mail, address }, "BOUNCED"));
}

describe("a message that came", () => {
  test("is told of once to each person, with an account or without, by the queue's own job; a team sees it live", async () => {
    const team = await createTeam(app, "claims", [erin]);
    await send(erin, [maria.address, "nobody-yet@clinic.example", team.address]);
    await app.runJobsOnce();
    expect(await kindsTo(maria.address)).toEqual(["notice"]);
    expect(await kindsTo("nobody-yet@clinic.example")).toEqual(["notice"]);
    expect(await kindsTo(team.address)).toEqual([]);
    expect(await kindsTo(erin.address)).toEqual([]);
    await app.runJobsOnce();
    await notifyRecipients(app.ctx());
    expect(await sql(app, "select count(*)::int as n from mails")).toEqual([{ n: 2 }]);
  });

  test("is told of once however many nodes try at once", async () => {
    const others = Array.from({ length: 30 }, (_, n) => `other-${n}@clinic.example`);
    for (let n = 0; n < 8; n += 1) sent(await sendMessage(erin, { to: [maria.address, ...others] }));
    await Promise.all(Array.from({ length: 4 }, () => notifyRecipients(app.ctx())));
    const [counts] = await sql<{ mails: number; notices: number; pairs: number; events: number }>(
      app,
      `select (select count(*)::int from mails where kind = 'notice') as mails, count(*)::int as notices, count(distinct (message_id, mailbox_id))::int as pairs,
              (select count(*)::int from events where action = 'notice.queued') as events from notices`,
    );
    expect(counts).toEqual({ mails: 248, notices: 248, pairs: 248, events: 248 });
  });

  test("is told of once though whoever tells it dies at any line", async () => {
    for (let n = 0; n < 3; n += 1) await send(erin, [maria.address]);
    for (const table of ["mails", "notices", "recipients", "events"]) {
      await sql(app, `create or replace function die() returns trigger language plpgsql as $$ begin raise exception 'dead'; end $$`);
      await sql(app, `create trigger die before ${table === "recipients" ? "update" : "insert"} on ${table} for each row execute function die()`);
      await expect(notifyRecipients(app.ctx())).rejects.toThrow("dead");
      await sql(app, `drop trigger die on ${table}`);
      expect(await sql(app, "select (select count(*) from mails) + (select count(*) from notices) as n")).toEqual([{ n: 0 }]);
    }
    await notifyRecipients(app.ctx());
    await notifyRecipients(app.ctx());
    expect(await kindsTo(maria.address)).toEqual(["notice", "notice", "notice"]);
  });

  test("is never told of if its sending came to nothing", async () => {
    await sql(app, `create or replace function die() returns trigger language plpgsql as $$ begin raise exception 'dead'; end $$`);
    await sql(app, "create trigger die before insert on events for each row when (new.action = 'message.sent') execute function die()");
    await expect(send(erin, [maria.address])).rejects.toThrow();
    await sql(app, "drop trigger die on events");
    await app.runJobsOnce();
    expect(await kindsTo(maria.address)).toEqual([]);
    await send(erin, [maria.address]);
    await app.runJobsOnce();
    expect(await kindsTo(maria.address)).toEqual(["notice"]);
  });

  test("is not told of to whoever has opened it by then", async () => {
    const opened = await deliver(erin, maria);
    await deliver(erin, maria);
    await openMessage(maria, opened.id);
    await app.runJobsOnce();
    expect(await kindsTo(maria.address)).toEqual(["notice"]);
  });

  test("is told of by a link whose token names the mailbox and is kept as a hash only", async () => {
    await send(erin, [maria.address]);
    await app.runJobsOnce();
    const [mail] = await mailsTo(app, maria.address);
    const { token, reference } = mail?.data as { token: string; reference: string };
    expect(token).toMatch(/^[\w-]{22}$/);
    expect(reference).toMatch(/^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/);
    expect(await noticeByToken(app.ctx(), token)).toMatchObject({ mailboxId: maria.mailboxKey, address: maria.address });
    expect(await noticeByToken(app.ctx(), "A".repeat(22))).toBeNull();
    expect(JSON.stringify(await sql(app, "select * from notices"))).not.toContain(token);
  });

  test("is told of in the account's language, headed by its phrase; to others in the organisation's", async () => {
    const directory = await app.ctx().dataKeys.directory();
    const phrase = directory.seal<string>({ id: maria.accountId, field: "phrase" }, "blue heron");
    await sql(app, "update accounts set language = $2, phrase = $3 where id = $1", [maria.accountId, Language.ES, phrase]);
    const spanish = await startTestApp({ beside: app, config: { defaultLanguage: "ES" } });
    try {
      await send(erin, [maria.address, "one@clinic.example"]);
      await notifyRecipients(app.ctx());
      await send(erin, ["two@clinic.example"]);
      await notifyRecipients(spanish.ctx());
    } finally {
      await spanish.close();
    }
    expect(await sql(app, "select address, language from mails order by address")).toEqual([
      { address: maria.address, language: "ES" },
      { address: "one@clinic.example", language: "EN" },
      { address: "two@clinic.example", language: "ES" },
    ]);
    expect(await phraseOf(maria.address)).toBe("blue heron");
    expect(await phraseOf("one@clinic.example")).toBeNull();
  });
});

/** The phrase that heads the first mail to an address. */
async function phraseOf(address: string): Promise<string | null> {
  const [mail] = await sql<{ id: string; phrase?: Buffer | null }>(app, "select * from mails where address = $1 order by id limit 1", [address]);
  const sealed = mail?.phrase;
  if (mail && sealed) return (await app.ctx().dataKeys.forSealed([sealed])).open<string>({ id: mail.id, field: "phrase" }, sealed);
  const [{ data } = { data: {} }] = await mailsTo(app, address);
  return (data as { phrase?: string }).phrase ?? null;
}

describe("the sender", () => {
  test("sees SENT, then NOTIFIED, then OPENED, each as an event in the feed", async () => {
    const message = await send(erin, [maria.address]);
    const { cursor } = await fetchState(erin.client, erin.mailboxId);
    expect(await statusOf(erin, message.id)).toBe("SENT");
    await app.runJobsOnce();
    expect(await statusOf(erin, message.id)).toBe("SENT");
    await markSent(maria.address);
    expect(await statusOf(erin, message.id)).toBe("NOTIFIED");
    const changed = { __typename: "MessageChanged", message: { id: message.id } };
    expect((await fetchChanges(erin.client, erin.mailboxId, cursor, 10)).events).toMatchObject([changed]);
    await openMessage(maria, (await received(maria)).id);
    expect(await statusOf(erin, message.id)).toBe("OPENED");
    expect((await fetchChanges(erin.client, erin.mailboxId, cursor, 10)).events).toMatchObject([changed, changed]);
    expect((await eventsOf(app, erin.mailboxKey)).map(({ action }) => action)).toEqual(["message.sent", "delivery.notified", "delivery.opened"]);
  });

  test("keeps OPENED whatever becomes of the notice", async () => {
    const message = await send(erin, [maria.address]);
    await app.runJobsOnce();
    await openMessage(maria, (await received(maria)).id);
    await markSent(maria.address);
    expect(await statusOf(erin, message.id)).toBe("OPENED");
    await markFailed(maria.address);
    expect(await statusOf(erin, message.id)).toBe("OPENED");
  });

  test("sees FAILED when the notice fails, even after it was sent, and is told once, with the reason", async () => {
    const message = await send(erin, [maria.address]);
    await app.runJobsOnce();
    await markSent(maria.address);
    await markFailed(maria.address);
    expect(await statusOf(erin, message.id)).toBe("FAILED");
    const events = await eventsOf(app, erin.mailboxKey);
    expect(events.map(({ action, code }) => `${action} ${code ?? ""}`.trim())).toEqual(["message.sent", "delivery.notified", "delivery.failed BOUNCED"]);
    await openMessage(maria, (await received(maria)).id);
    expect(await statusOf(erin, message.id)).toBe("OPENED");
  });

  test("sees DELIVERED at once where a team got it, and others see nothing of all that", async () => {
    const team = await createTeam(app, "claims", [erin]);
    const message = await send(maria, [team.address]);
    expect(await statusOf(maria, message.id)).toBe("DELIVERED");
    const toMaria = await deliver(erin, maria);
    const { data } = await maria.client.send("query ($id: ID!) { message(id: $id) { recipients { delivery { status } } } }", { id: toMaria.id });
    expect(data).toEqual({ message: { recipients: [{ delivery: null }] } });
  });

  test("sees FAILED at once where the address is dead, and no mail goes there", async () => {
    await sql(app, "insert into dead_addresses (address, since, code) values ($1, $2, '5.1.1')", [maria.address, app.clock.now()]);
    const message = await send(erin, [maria.address]);
    await app.runJobsOnce();
    expect(await kindsTo(maria.address)).toEqual([]);
    expect(await statusOf(erin, message.id)).toBe("FAILED");
    expect((await eventsOf(app, erin.mailboxKey)).at(-1)).toMatchObject({ action: "delivery.failed", code: "DEAD_ADDRESS" });
    await sql(app, "delete from dead_addresses");
    await send(erin, [maria.address]);
    await app.runJobsOnce();
    expect(await kindsTo(maria.address)).toEqual(["notice"]);
  });
});

async function received(person: SignedInPerson): Promise<{ id: string }> {
  const { data } = await person.client.send<{ mailbox: { messages: { edges: { node: { id: string } }[] } } }>(
    "query ($id: ID!) { mailbox(id: $id) { messages(first: 1) { edges { node { id } } } } }",
    { id: person.mailboxId },
  );
  return data?.mailbox.messages.edges[0]?.node ?? { id: randomUUID() };
}

describe("a flood", () => {
  test("is at most 20 mails an hour; the rest are told of together, once, in the next hour", async () => {
    for (let n = 0; n < 30; n += 1) await send(erin, [maria.address]);
    const other = await member(app, "other");
    await send(erin, [other.address]);
    await app.runJobsOnce();
    expect(await kindsTo(maria.address)).toEqual(Array.from({ length: 20 }, () => "notice"));
    expect(await kindsTo(other.address)).toEqual(["notice"]);
    app.clock.advance(HOUR - 1);
    await notifyRecipients(app.ctx());
    expect(await kindsTo(maria.address)).toHaveLength(20);
    app.clock.advance(1);
    await Promise.all([notifyRecipients(app.ctx()), notifyRecipients(app.ctx())]);
    expect(await kindsTo(maria.address)).toEqual([...Array.from({ length: 20 }, () => "notice"), "digest"]);
    expect((await mailsTo(app, maria.address)).at(-1)?.data).toMatchObject({ waiting: 30, expiring: 0 });
  });

  test("makes each of its deliveries NOTIFIED, those told of together as well, in several batches too", async () => {
    const few = await startTestApp({ beside: app, limits: { maxNoticesPerHour: 2 } });
    try {
      const messages = [];
      for (let n = 0; n < 5; n += 1) messages.push(await send(erin, [maria.address]));
      await notifyRecipients(few.ctx());
      app.clock.advance(HOUR);
      await notifyRecipients(few.ctx());
      expect(await kindsTo(maria.address)).toEqual(["notice", "notice", "digest"]);
      await markSent(maria.address);
      for (const { id } of messages) expect(await statusOf(erin, id)).toBe("NOTIFIED");

      // One that comes to the same occasion after the mail has gone is told of by that mail.
      const [late] = [await send(erin, [maria.address])];
      await sql(
        app,
        `update recipients set notice_kind = 'digest', notice_occasion = (select occasion from notices where kind = 'digest') where notice_at is not null`,
      );
      await notifyRecipients(few.ctx());
      expect(await kindsTo(maria.address)).toHaveLength(3);
      expect(await statusOf(erin, late.id)).toBe("NOTIFIED");
    } finally {
      await few.close();
    }
  });
});

test("employees are told like everybody else", async () => {
  const carl = await signedInPerson(app, "carl", AccountKind.EMPLOYEE);
  await send(maria, [carl.address]);
  await app.runJobsOnce();
  expect(await kindsTo(carl.address)).toEqual(["notice"]);
});

test("notices are forgotten after 180 days, and with them their references", async () => {
  await send(erin, [maria.address]);
  await app.runJobsOnce();
  app.clock.advance(180 * DAY - 1);
  await forgetNotices(app.ctx());
  expect(await sql(app, "select count(*)::int as n from notices")).toEqual([{ n: 1 }]);
  app.clock.advance(1000);
  await forgetNotices(app.ctx());
  expect(await sql(app, "select count(*)::int as n from notices")).toEqual([{ n: 0 }]);
});
