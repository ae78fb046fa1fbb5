import { readdir } from "node:fs/promises";
import path from "node:path";
import { type AdvanceClockInput, AdvanceClockDocument, ClockDocument, MailboxChangedDocument } from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { after, DAY, HOUR, MINUTE, SECOND } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { deliver, messagesOf, openMessage, replyToMessage, sent } from "../support/mail.ts";
import { employee, member, PASSWORD, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

const EXPIRY = after(START, RETENTION_DAYS * DAY);
const sandbox = { config: { sandbox: true } };
let app: TestApp;
let ada: SignedInPerson;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp(sandbox);
  [ada, erin, maria] = await Promise.all([signedInPerson(app, "ada", AccountKind.ADMINISTRATOR), employee(app, "erin"), member(app, "maria")]);
});

afterEach(() => app.close());

async function advance(client: Client, input: AdvanceClockInput): Promise<object> {
  return (await client.run(AdvanceClockDocument, { input })).advanceClock;
}

const standing = (instant: Date) => ({ clock: { now: instant.toISOString(), isSandbox: true } });
const clockOf = async (client: Client) => (await client.run(ClockDocument, {})).clock;

test("an administrator moves the clock for everybody, by a distance or to an instant, and the ledger says who and how far", async () => {
  expect(await clockOf(maria.client)).toEqual({ now: START.toISOString(), isSandbox: true });
  expect(await advance(ada.client, { days: 2, hours: 3, minutes: 4 })).toEqual(standing(after(START, 2 * DAY + 3 * HOUR + 4 * MINUTE)));
  expect(await advance(ada.client, { to: after(START, 3 * DAY).toISOString() })).toEqual(standing(after(START, 3 * DAY)));
  expect(await clockOf(maria.client)).toEqual(standing(after(START, 3 * DAY)).clock);
  app.clock.advance(MINUTE); // Real time goes on under it
  expect(await clockOf(maria.client)).toEqual(standing(after(START, 3 * DAY + MINUTE)).clock);
  const moves = (await eventsOf(app)).filter(({ action }) => action === "clock.advanced");
  expect(moves).toMatchObject([
    { actor_id: ada.accountId, code: after(START, 2 * DAY + 3 * HOUR + 4 * MINUTE).toISOString() },
    { actor_id: ada.accountId, code: after(START, 3 * DAY).toISOString() },
  ]);
});

test("nobody but an administrator moves it, and nobody at all where the server is no sandbox", async () => {
  expect(await advance(ada.client, { minutes: 1 })).toEqual(standing(after(START, MINUTE)));
  for (const { client } of [erin, maria])
    expect(await advance(client, { minutes: 1 })).toMatchObject({ code: "FORBIDDEN", message: "Only an administrator may do this. Ask one of yours." });
  expect(await clockOf(maria.client)).toEqual(standing(after(START, MINUTE)).clock);

  const real = await startTestApp();
  try {
    const { client } = await signedInPerson(real, "ada", AccountKind.ADMINISTRATOR);
    expect(await advance(client, { minutes: 1 })).toMatchObject({
      code: "FORBIDDEN",
      message: "The clock moves in a sandbox only: start the server with SANDBOX=1.",
    });
    expect(await clockOf(client)).toEqual({ now: START.toISOString(), isSandbox: false });
  } finally {
    await real.close();
  }
});

test("it never goes back, nor further than it may", async () => {
  expect(await advance(ada.client, { days: 400 })).toEqual(standing(after(START, 400 * DAY)));
  const now = after(START, 400 * DAY);
  expect(await advance(ada.client, { days: -1 })).toMatchObject({ code: "INVALID_INPUT", field: "days", message: "The clock moves forward only." });
  expect(await advance(ada.client, {})).toMatchObject({ code: "INVALID_INPUT", field: "days" });
  expect(await advance(ada.client, { to: now.toISOString() })).toMatchObject({ code: "INVALID_INPUT", field: "to" });
  expect(await advance(ada.client, { to: after(now, DAY).toISOString(), hours: 1 })).toMatchObject({ code: "INVALID_INPUT", field: "to" });
  expect(await advance(ada.client, { days: 400, minutes: 1 })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "days", limit: 400 });
  expect(await advance(ada.client, { to: after(now, 401 * DAY).toISOString() })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "to", limit: 400 });
  expect(await advance(ada.client, { days: 2_147_483_647 })).toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(await clockOf(maria.client)).toEqual(standing(now).clock);

  await sql(app, "update sandbox_clock set ahead_ms = $1", [3649 * DAY]);
  await eventually(() => expect(app.services.clock.now()).toEqual(after(START, 3649 * DAY)));
  const client = await Client.signIn(app.url, "ada", PASSWORD);
  expect(await advance(client, { days: 2 })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "days", limit: 3650 });
  expect(await advance(client, { days: 1 })).toEqual(standing(after(START, 3650 * DAY)));
});

test("a message is readable on day 180 to the second; then the answer comes when it is gone, its rows and file too, and subscribers are told", async () => {
  const file = await erin.client.uploaded("letter.txt", "a letter");
  const { id } = await deliver(erin, maria, { subject: "Soon gone", attachmentIds: [file] });
  const live = maria.client.subscribe(MailboxChangedDocument, { mailboxId: maria.mailboxId, after: null });
  const warned = live.next();
  try {
    expect(await advance(ada.client, { to: after(EXPIRY, -SECOND).toISOString() })).toEqual(standing(after(EXPIRY, -SECOND)));
    expect(await warned).toMatchObject({ mailboxChanged: { daysLeft: 30, message: { id } } });
    for (const daysLeft of [7, 1]) expect(await live.next()).toMatchObject({ mailboxChanged: { daysLeft, message: { id } } });
    expect(await messagesOf(maria)).toMatchObject([{ id, subject: "Soon gone" }]);
    expect((await openMessage(maria, id)).body.text).toBe("Some words.");
    expect(await live.next()).toMatchObject({ mailboxChanged: { message: { id, isRead: true } } });
    const reply = sent(await replyToMessage(maria, id));

    const next = live.next().then(async (event) => (event && "messageId" in event.mailboxChanged ? event : live.next()));
    expect(await advance(ada.client, { to: EXPIRY.toISOString() })).toEqual(standing(EXPIRY));
    expect(await sql(app, "select count(*)::int as n from messages")).toEqual([{ n: 1 }]);
    expect(await sql(app, "select count(*)::int as n from attachments")).toEqual([{ n: 0 }]);
    expect((await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())).toEqual([]);
    expect(await next).toMatchObject({ mailboxChanged: { messageId: id } });
    expect(await messagesOf(maria)).toEqual([]);
    expect(await maria.client.refusals("query ($id: ID!) { message(id: $id) { subject } }", { id })).toEqual(["NOT_FOUND"]);
    expect(await messagesOf(erin)).toMatchObject([{ subject: "Re: Soon gone", expiresAt: reply.expiresAt }]);
  } finally {
    await live.close();
  }
});

test("days pass one by one: what expires on the way goes at the next midnight, not at the end, and the key of its day with it", async () => {
  await deliver(erin, maria);
  app.clock.moveTo(after(EXPIRY, -HOUR));
  await advance(await Client.signIn(app.url, "ada", PASSWORD), { days: 20 });
  expect(await sql(app, "select at, code from events where action = 'key.destroyed'")).toEqual([
    { at: new Date("2026-08-30T00:00:00Z"), code: "day/2026-03-02" },
  ]);
  expect(await sql(app, "select distinct at from events where action = 'message.expired'")).toEqual([{ at: new Date("2026-08-30T00:00:00Z") }]);
});

test("who is signed in stays so, on open sockets too; a session that had ended stays ended", async () => {
  const idle = await Client.signIn(app.url, "erin", PASSWORD);
  app.clock.advance(59 * MINUTE);
  expect(await clockOf(maria.client)).toBeDefined();
  expect(await clockOf(ada.client)).toBeDefined();
  const live = maria.client.subscribe(MailboxChangedDocument, { mailboxId: maria.mailboxId, after: null });
  const arrival = live.next();
  try {
    app.clock.advance(2 * MINUTE); // Erin's session has been unused for more than an hour
    await advance(ada.client, { days: 181 });
    expect(await idle.refusals("{ clock { now } }")).toEqual(["UNAUTHENTICATED"]);
    const writer = { ...erin, client: await Client.signIn(app.url, "erin", PASSWORD) };
    await deliver(writer, maria, { subject: "Half a year later" });
    expect(await arrival).toMatchObject({ mailboxChanged: { message: { subject: "Half a year later" } } });
    app.clock.advance(HOUR); // From then on sessions age as ever
    expect(await maria.client.refusals("{ clock { now } }")).toEqual(["UNAUTHENTICATED"]);
  } finally {
    await live.close().catch(() => undefined);
  }
});

test("every node on the database goes along within two seconds, even if the signal is lost; one that starts later stands there at once", async () => {
  const other = await startTestApp({ beside: app, ...sandbox });
  try {
    const there = new Client(other.url, maria.client.token);
    expect(await clockOf(there)).toEqual(standing(START).clock);
    await advance(ada.client, { days: 181 });
    await eventually(async () => expect(await clockOf(there)).toEqual(standing(after(START, 181 * DAY)).clock), 2000);
    await sql(app, "update sandbox_clock set ahead_ms = $1", [181 * DAY + MINUTE]);
    await eventually(async () => expect(await clockOf(there)).toEqual(standing(after(START, 181 * DAY + MINUTE)).clock), 2000);

    const later = await startTestApp({ beside: app, ...sandbox });
    expect(later.services.clock.now()).toEqual(after(START, 181 * DAY + MINUTE));
    await later.close();
  } finally {
    await other.close();
  }
});

test("several administrators who move it to one instant at once get there once, and sessions come along once", async () => {
  const before = await sql<{ expires_at: Date }>(app, "select expires_at from sessions order by id");
  const arrived = await Promise.all(Array.from({ length: 8 }, () => advance(ada.client, { to: after(START, 10 * DAY).toISOString() })));
  expect(arrived).toEqual(Array.from({ length: 8 }, () => standing(after(START, 10 * DAY))));
  expect(await sql(app, "select expires_at from sessions order by id")).toEqual(before.map(({ expires_at }) => ({ expires_at: after(expires_at, 10 * DAY) })));
});

test("a job that waited for a time that has come, say to be tried again, has run when the answer comes", async () => {
  const real = new Date();
  app.clock.moveTo(real);
  const client = await Client.signIn(app.url, "ada", PASSWORD);
  const [soon, later] = [after(real, 10 * DAY), after(real, 20 * DAY)];
  await sql(app, "select graphile_worker.add_job('remove-released-blobs', run_at := at) from unnest($1::timestamptz[]) as at", [[soon, later]]);
  await advance(client, { days: 9 });
  const queued = "select run_at from graphile_worker.jobs order by run_at";
  expect(await sql(app, queued)).toEqual([{ run_at: soon }, { run_at: later }]);
  await advance(client, { days: 2 });
  expect(await sql(app, queued)).toEqual([{ run_at: later }]);
});

test("a job that fails is logged, and holds up neither the clock nor the other jobs", async () => {
  await deliver(erin, maria);
  await sql(app, "alter table idempotency_keys rename to hidden_keys"); // The sweep stumbles over it
  app.clock.moveTo(after(EXPIRY, -HOUR));
  expect(await advance(await Client.signIn(app.url, "ada", PASSWORD), { hours: 1 })).toEqual(standing(EXPIRY));
  expect(await sql(app, "select count(*)::int as n from messages")).toEqual([{ n: 0 }]);
  expect(app.logged.map((line): unknown => JSON.parse(line))).toContainEqual(expect.objectContaining({ job: "sweep", msg: "a job failed" }));
});

test("a database whose clock has been moved is refused without the sandbox, where time would go back", async () => {
  const real = await startTestApp({ beside: app });
  await real.close();
  await advance(ada.client, { minutes: 1 });
  await expect(startTestApp({ beside: app })).rejects.toThrow(
    "This database was a sandbox whose clock has been moved. Set SANDBOX=1, or start on another database.",
  );
});
