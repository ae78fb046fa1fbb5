import { randomUUID } from "node:crypto";
import { HoldsDocument, MailboxChangedDocument, MessageHoldsDocument } from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { after, DAY, dayOf, HOUR, SECOND } from "../../src/clock.ts";
import { createCtx, inTransaction, signedIn } from "../../src/context.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { defaultLimits, RETENTION_DAYS } from "../../src/limits.ts";
import { destroyPastKeys } from "../../src/retention/destroy-keys.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { HoldReason } from "../../src/retention/hold.ts";
import { keepHolds } from "../../src/retention/keep-holds.ts";
import { placeHold as placeHoldInside } from "../../src/retention/place-hold.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import type { Client } from "../support/client.ts";
import { fetchChanges } from "../support/feed.ts";
import { liftHold, placeHold, tryHold, tryLift } from "../support/holds.ts";
import { deliver, forwardMessage, messagesOf, newestOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";
import { fetchState } from "../support/writing.ts";

const EXPIRY = after(START, RETENTION_DAYS * DAY);
const UNTIL = after(START, 365 * DAY);
const until = UNTIL.toISOString();
/** Years go by; nobody shall have to sign in again for it. */
const session = { idleMinutes: 10_000 * 24 * 60, hours: 10_000 * 24 };

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;
let ada: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp({ config: { session, stepUpMinutes: 1_000_000 } });
  [erin, maria, ada] = [await employee(app, "erin"), await member(app, "maria"), await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR)];
});

afterEach(() => app.close());

/** Does all that the schedule does: keeps holds, destroys keys of past days, deletes what has expired. */
async function goTo(instant: Date): Promise<void> {
  app.clock.moveTo(instant);
  await keepHolds(app.ctx());
  await destroyPastKeys(app.ctx());
  await expireMessages(app.ctx());
  await app.runJobsOnce();
}

async function heldUntil(person: SignedInPerson, id: string): Promise<string | null | undefined> {
  return (await person.client.run(MessageHoldsDocument, { id })).message?.heldUntil;
}

const isGone = async (client: Client, id: string): Promise<unknown> => client.refusals("query ($id: ID!) { message(id: $id) { body { text } } }", { id });
const inDatabase = async (table: string): Promise<number> => (await sql<{ n: number }>(app, `select count(*)::int as n from ${table}`))[0]?.n ?? -1;
const keysAlive = async (): Promise<string[]> =>
  (await sql<{ id: string }>(app, "select id from keys.data_keys where wrapped is not null order by id")).map(({ id }) => id);

test("a held message is readable beyond day 180 in every way for those who had it, although the key of its day is gone", async () => {
  const stranger = await employee(app, "stranger");
  const start = (await fetchState(maria.client, maria.mailboxId)).cursor;
  const attachmentIds = [await erin.client.uploaded("decision.txt", "the appeal is granted")];
  const { id, thread } = await deliver(erin, maria, { subject: "Appeal", text: "The decision.", attachmentIds });
  const other = await deliver(erin, maria, { subject: "Not held", text: "Goes." });
  await placeHold(erin, (await messagesOf(erin, { folder: "SENT", filter: { hasAttachments: true } }))[0]?.id ?? "", { until });
  expect(await newestOf(maria, { filter: { hasAttachments: true } })).toMatchObject({ id, expiresAt: until });

  await goTo(after(EXPIRY, 2 * DAY));
  expect(await keysAlive()).not.toContain(`day/${dayOf(START)}`);
  expect(await isGone(maria.client, other.id)).toEqual(["NOT_FOUND"]);

  expect(await messagesOf(maria)).toMatchObject([{ id, subject: "Appeal", preview: "The decision.", from: { displayName: "Test erin" } }]);
  expect((await fetchState(maria.client, maria.mailboxId)).unreadCount).toBe(1);
  const opened = await openMessage(maria, id);
  expect(opened).toMatchObject({ heldUntil: until, body: { text: "The decision." }, recipients: [{ address: maria.address }] });
  expect(opened.thread.messages.edges).toHaveLength(1);
  const [file] = opened.attachments;
  expect(await (await maria.client.download(file?.downloadUrl ?? "")).text()).toBe("the appeal is granted");
  expect(await (await erin.client.download(file?.downloadUrl ?? "")).text()).toBe("the appeal is granted");
  expect(sent(await replyToMessage(maria, id))).toMatchObject({ subject: "Re: Appeal", thread: { id: thread.id } });
  const { events } = await fetchChanges(maria.client, maria.mailboxId, start, 100);
  expect(events.flatMap((event) => ("message" in event && event.message.id === id ? event.__typename : []))).toContain("MessageReceived");
  const live = maria.client.subscribe(MailboxChangedDocument, { mailboxId: maria.mailboxId, after: start });
  expect((await live.next())?.mailboxChanged).toMatchObject({ message: { id, subject: "Appeal" } });
  await live.close();

  sent(await forwardMessage(maria, id, { to: [stranger.address] }));
  const forwarded = await openMessage(stranger, (await newestOf(stranger)).id);
  expect(forwarded).toMatchObject({ subject: "Fwd: Appeal", heldUntil: null, expiresAt: after(EXPIRY, (RETENTION_DAYS + 2) * DAY).toISOString() });
  expect(forwarded.body.text).toContain("The decision.");
  expect(await (await stranger.client.download(forwarded.attachments[0]?.downloadUrl ?? "")).text()).toBe("the appeal is granted");

  expect(await isGone(stranger.client, id)).toEqual(["NOT_FOUND"]); // whoever never had it does not get it by a hold
  expect((await stranger.client.download(file?.downloadUrl ?? "")).status).toBe(404);
  expect(await isGone(ada.client, id)).toEqual(["NOT_FOUND"]);
});

test("only staff place holds: employees on what they have, administrators on anything, external people on nothing", async () => {
  const carl = await employee(app, "carl");
  const { id, thread } = await deliver(erin, maria);
  const own = await newestOf(erin, { folder: "SENT" });
  expect(await tryHold(maria, id)).toMatchObject({ code: "FORBIDDEN" });
  expect(await tryHold(carl, id)).toMatchObject({ code: "NOT_FOUND", field: "targetId" });
  expect(await tryHold(carl, own.thread.id)).toMatchObject({ code: "NOT_FOUND", field: "targetId" });
  expect(await tryHold(erin, id)).toMatchObject({ code: "NOT_FOUND", field: "targetId" }); // her own copy has another id
  expect(await tryHold(erin, own.id)).toMatchObject({ hold: { targetId: own.id, placedBy: { address: erin.address }, endedAt: null } });
  expect(await tryHold(erin, own.thread.id)).toMatchObject({ hold: { targetId: own.thread.id } });
  expect(await tryHold(ada, id)).toMatchObject({ hold: { targetId: id, placedBy: { address: ada.address } } });
  expect(await tryHold(ada, thread.id)).toMatchObject({ hold: { targetId: thread.id } });
  for (const nothing of [encodeId("Message", maria.mailboxKey, randomUUID()), maria.mailboxId, "x"]) {
    expect(await tryHold(ada, nothing)).toMatchObject({ code: "NOT_FOUND", field: "targetId" });
  }
});

test("a hold ends in the future, lasts ten years at most, and its note is short; so many on one message and no more", async () => {
  const { id } = await deliver(maria, erin);
  const now = app.clock.now().toISOString();
  expect(await tryHold(erin, id, { until: now })).toMatchObject({ code: "INVALID_INPUT", field: "until" });
  expect(await tryHold(erin, id, { until: "2036-03-02T09:00:00.001Z" })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "until", limit: 10 });
  expect(await tryHold(erin, id, { until: "2036-03-02T09:00:00.000Z" })).toMatchObject({ hold: { until: "2036-03-02T09:00:00.000Z" } });
  expect(await tryHold(erin, id, { note: "ä".repeat(501) })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "note", limit: 500 });
  expect(await tryHold(erin, id, { note: "ä".repeat(500) })).toMatchObject({ hold: { note: "ä".repeat(500) } });
  for (let n = 2; n < defaultLimits.maxHolds; n += 1) await placeHold(erin, id);
  expect(await tryHold(erin, id)).toMatchObject({ code: "LIMIT_EXCEEDED", field: "targetId", limit: defaultLimits.maxHolds });
});

test("who may see a hold: the note its placer and administrators, the hold staff with the message, the date everybody with it", async () => {
  const dan = await employee(app, "dan");
  sent(await sendMessage(erin, { to: [maria.address, dan.address] }));
  const [atErin, atDan, atMaria] = [await newestOf(erin, { folder: "SENT" }), await newestOf(dan), await newestOf(maria)];
  const holdId = await placeHold(erin, atErin.id, { reason: "LEGAL", note: "planted-note", until });
  const holdsFor = async (person: SignedInPerson, id: string) => (await person.client.run(MessageHoldsDocument, { id })).message;
  expect(await holdsFor(erin, atErin.id)).toMatchObject({ heldUntil: until, holds: [{ id: holdId, reason: "LEGAL", note: "planted-note" }] });
  expect(await holdsFor(dan, atDan.id)).toMatchObject({ heldUntil: until, holds: [{ id: holdId, reason: "LEGAL", note: null }] });
  expect(await holdsFor(maria, atMaria.id)).toEqual({ id: atMaria.id, expiresAt: until, heldUntil: until, holds: null });

  const node = "query ($id: ID!) { node(id: $id) { id ... on Hold { note } } }";
  for (const [person, note] of [
    [erin, "planted-note"],
    [ada, "planted-note"],
    [dan, null],
  ] as const) {
    expect(await person.client.send(node, { id: holdId })).toMatchObject({ data: { node: { id: holdId, note } } });
  }
  expect(await maria.client.refusals(node, { id: holdId })).toEqual(["NOT_FOUND"]);
  expect(await (await employee(app, "other")).client.refusals(node, { id: holdId })).toEqual(["NOT_FOUND"]);
  expect(JSON.stringify(await sql(app, "select encode(note, 'escape') as note from holds"))).not.toContain("planted-note");
});

test("holds are listed page by page and by state: all to administrators, their own to employees, none to external people", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) {
    app.clock.advance(SECOND);
    ids.unshift(await placeHold(n % 2 === 0 ? erin : ada, (await deliver(maria, n % 2 === 0 ? erin : ada)).id));
  }
  await liftHold(ada, ids[0] ?? "");
  const list = async (person: SignedInPerson, page: object) => {
    const { edges, pageInfo } = (await person.client.run(HoldsDocument, page)).holds;
    return { ids: edges.map(({ node }) => node.id), ...pageInfo };
  };
  expect((await list(ada, {})).ids).toEqual(ids);
  expect((await list(erin, {})).ids).toEqual([ids[0], ids[2], ids[4]]);
  expect((await list(ada, { state: "ENDED" })).ids).toEqual([ids[0]]);
  expect((await list(erin, { state: "IN_FORCE" })).ids).toEqual([ids[2], ids[4]]);
  const first = await list(ada, { first: 2 });
  expect(first).toMatchObject({ ids: ids.slice(0, 2), hasNextPage: true });
  expect(await list(ada, { first: 10, after: first.endCursor })).toMatchObject({ ids: ids.slice(2), hasNextPage: false });
  expect((await list(ada, { last: 2 })).ids).toEqual(ids.slice(3));
  expect(await maria.client.refusals("{ holds { edges { cursor } } }")).toEqual(["FORBIDDEN"]);
});

test("a held message cannot be deleted for good but moved to the trash; once lifted it can", async () => {
  const { id } = await deliver(erin, maria);
  const remove =
    "mutation ($id: ID!) { deleteMessages(input: { messageIds: [$id] }) { ... on DeleteMessagesPayload { messageIds } ... on Problem { code message } } }";
  const other = await deliver(erin, maria);
  expect(await maria.client.send(remove, { id: other.id })).toMatchObject({ data: { deleteMessages: { messageIds: [other.id] } } });
  const holdId = await placeHold(ada, id, { until });
  expect(await maria.client.send(remove, { id })).toMatchObject({
    data: { deleteMessages: { code: "MESSAGE_HELD", message: expect.stringContaining("Example Health has placed a hold on this message until 2027-03-02") } },
  });
  const trash = "mutation ($id: ID!) { moveToFolder(input: { messageIds: [$id], folder: TRASH }) { __typename } }";
  expect(await maria.client.send(trash, { id })).toMatchObject({ data: { moveToFolder: { __typename: "MoveToFolderPayload" } } });
  expect(await tryHold(ada, other.id)).toMatchObject({ code: "NOT_FOUND" }); // what was deleted before stays deleted
  await liftHold(ada, holdId);
  expect(await maria.client.send(remove, { id })).toMatchObject({ data: { deleteMessages: { messageIds: [id] } } });
});

test("a hold that ends within the 180 days keeps the message from being deleted, and its expiry as it was", async () => {
  const { id } = await deliver(erin, maria);
  await placeHold(ada, id, { until: after(START, 10 * DAY).toISOString() });
  expect(await newestOf(maria)).toMatchObject({ expiresAt: EXPIRY.toISOString() });
  expect(await heldUntil(maria, id)).toBe(after(START, 10 * DAY).toISOString());
  app.clock.moveTo(after(START, 10 * DAY));
  expect(await heldUntil(maria, id)).toBeNull();
  await goTo(after(START, 10 * DAY));
  expect(await openMessage(maria, id)).toMatchObject({ expiresAt: EXPIRY.toISOString() });
  expect((await keysAlive()).filter((key) => key.startsWith("hold/"))).toEqual([]);
});

test("within the 180 days, too, the hold that lasts longest is the one that shows", async () => {
  const { id } = await deliver(maria, erin);
  const day = (n: number): string => after(START, n * DAY).toISOString();
  const shown: unknown[] = [];
  for (const n of [20, 10, 30]) {
    await placeHold(erin, id, { until: day(n) });
    shown.push(await heldUntil(erin, id));
  }
  expect(shown).toEqual([day(20), day(20), day(30)]);
});

test("a hold on a thread covers what is there, in every mailbox, and within a minute what joins it", async () => {
  const { id, thread } = await deliver(maria, erin, { subject: "Question" });
  const holdId = await placeHold(erin, thread.id, { until });
  await openMessage(erin, id);
  app.clock.moveTo(after(START, 100 * DAY));
  const reply = sent(await replyToMessage(erin, id, { text: "An answer" }));
  const arrived = await newestOf(maria);
  expect(arrived.expiresAt).toBe(after(START, 280 * DAY).toISOString());
  await goTo(after(START, 101 * DAY)); // the schedule has run
  expect((await newestOf(maria)).expiresAt).toBe(until);

  await goTo(after(START, 300 * DAY));
  expect(await openMessage(maria, arrived.id)).toMatchObject({ body: { text: "An answer" }, heldUntil: until });
  expect(await openMessage(erin, id)).toMatchObject({ subject: "Question", heldUntil: until });
  await liftHold(erin, holdId);
  for (const gone of [id, reply.id]) expect(await isGone(erin.client, gone)).toEqual(["NOT_FOUND"]);
  expect(await isGone(maria.client, arrived.id)).toEqual(["NOT_FOUND"]);
});

test("a thread longer than a batch is held and let go whole by the job", async () => {
  const { id, thread } = await deliver(maria, erin);
  await openMessage(erin, id);
  for (let n = 0; n < 60; n += 1) sent(await replyToMessage(erin, id));
  const holdId = await placeHold(erin, thread.id, { until });
  expect(await sql(app, "select count(*)::int as held from messages where held_by is not null")).toEqual([{ held: 50 }]);
  await app.runJobsOnce();
  expect(await sql(app, "select count(*)::int as held from messages where held_by is not null and expires_at = $1", [UNTIL])).toEqual([{ held: 61 }]);
  app.clock.moveTo(after(START, 200 * DAY));
  await liftHold(erin, holdId);
  await app.runJobsOnce();
  await expireMessages(app.ctx());
  expect(await inDatabase("messages")).toBe(0);
});

test("of two holds the longer counts, and after it the other; only the last one lets the message go", async () => {
  const { id } = await deliver(maria, erin, { text: "Twice held" });
  const short = await placeHold(erin, id, { until: after(START, 250 * DAY).toISOString(), note: "short" });
  const long = await placeHold(ada, id, { until });
  expect(await heldUntil(erin, id)).toBe(until);
  await goTo(after(START, 200 * DAY));
  await liftHold(ada, long);
  expect(await newestOf(erin)).toMatchObject({ id, expiresAt: after(START, 250 * DAY).toISOString() });
  await goTo(after(START, 201 * DAY)); // the longer one's key is destroyed
  expect((await keysAlive()).filter((key) => key.startsWith("hold/"))).toHaveLength(1);
  expect(await openMessage(erin, id)).toMatchObject({ body: { text: "Twice held" } });
  expect(await tryHold(erin, id, { until, note: "again" })).toMatchObject({ hold: { note: "again" } });
  await liftHold(erin, short);
  expect(await openMessage(erin, id)).toMatchObject({ heldUntil: until, body: { text: "Twice held" } });
});

test("lifted before day 180 a message goes back to its own day and the key of it", async () => {
  const { id } = await deliver(erin, maria, { text: "Ordinary again", attachmentIds: [await erin.client.uploaded("a.txt", "a file")] });
  const holdId = await placeHold(ada, id, { until, note: "planted-note" });
  app.clock.moveTo(after(START, 100 * DAY));
  expect(await liftHold(ada, holdId)).toMatchObject({ endedAt: app.clock.now().toISOString(), liftedBy: { address: ada.address }, note: null });
  await goTo(after(EXPIRY, -SECOND));
  expect((await keysAlive()).filter((key) => key.startsWith("hold/"))).toEqual([]);
  const opened = await openMessage(maria, id);
  expect(opened).toMatchObject({ heldUntil: null, expiresAt: EXPIRY.toISOString(), body: { text: "Ordinary again" } });
  expect(await (await maria.client.download(opened.attachments[0]?.downloadUrl ?? "")).text()).toBe("a file");
  expect(await tryLift(ada, holdId)).toMatchObject({ hold: { endedAt: after(START, 100 * DAY).toISOString() } }); // once is enough
  await goTo(EXPIRY);
  expect(await isGone(maria.client, id)).toEqual(["NOT_FOUND"]);
});

test("lifted after day 180 a message is unreadable at once, and its rows and the hold's key go with the next jobs", async () => {
  const { id } = await deliver(erin, maria, { attachmentIds: [await erin.client.uploaded("a.txt", "a file")] });
  const { attachments } = await openMessage(maria, id);
  const holdId = await placeHold(ada, id, { until });
  await goTo(after(START, 200 * DAY));
  expect((await messagesOf(maria)).map((message) => message.id)).toEqual([id]);
  await liftHold(ada, holdId);
  expect(await messagesOf(maria)).toEqual([]);
  expect(await isGone(maria.client, id)).toEqual(["NOT_FOUND"]);
  expect((await maria.client.download(attachments[0]?.downloadUrl ?? "")).status).toBe(404);
  expect(await inDatabase("messages")).toBe(1);
  await app.runJobsOnce(); // set off by the lifting
  for (const table of ["messages", "copies", "recipients", "attachments"]) expect({ table, rows: await inDatabase(table) }).toEqual({ table, rows: 0 });
  expect((await keysAlive()).filter((key) => key.startsWith("hold/"))).toEqual([]);
  expect(await eventsOf(app)).toContainEqual(expect.objectContaining({ action: "key.destroyed", code: expect.stringMatching(/^hold\//) }));
});

test("a hold that nobody lifts ends by itself: from that instant the message is gone, with no worker running", async () => {
  const { id } = await deliver(erin, maria);
  const holdId = await placeHold(ada, id, { until });
  await goTo(after(UNTIL, -SECOND));
  expect((await openMessage(maria, id)).heldUntil).toBe(until);
  app.clock.moveTo(UNTIL);
  expect(await isGone(maria.client, id)).toEqual(["NOT_FOUND"]);
  await goTo(after(UNTIL, HOUR));
  expect(await inDatabase("messages")).toBe(0);
  const { data } = await ada.client.send("query ($id: ID!) { node(id: $id) { ... on Hold { endedAt liftedBy { address } } } }", { id: holdId });
  expect(data).toEqual({ node: { endedAt: until, liftedBy: null } });
  expect((await keysAlive()).filter((key) => key.startsWith("hold/"))).toEqual([]);
});

test("a hold may be lifted by its placer and by administrators, not by whoever else has the message", async () => {
  const dan = await employee(app, "dan");
  sent(await sendMessage(erin, { to: [maria.address, dan.address] }));
  const target = (await newestOf(erin, { folder: "SENT" })).id;
  const holdId = await placeHold(erin, target);
  expect(await tryLift(maria, holdId)).toMatchObject({ code: "FORBIDDEN" });
  expect(await tryLift(dan, holdId)).toMatchObject({ code: "FORBIDDEN", field: "holdId" });
  expect(await tryLift(await employee(app, "other"), holdId)).toMatchObject({ code: "NOT_FOUND", field: "holdId" });
  expect(await tryLift(erin, holdId)).toMatchObject({ hold: { liftedBy: { address: erin.address } } });
  expect(await tryLift(ada, await placeHold(erin, target))).toMatchObject({ hold: { liftedBy: { address: ada.address } } });
});

test("what has expired is not brought back by a hold, even before it is swept", async () => {
  const { id, thread } = await deliver(maria, erin);
  await openMessage(erin, id);
  app.clock.moveTo(after(START, 10 * DAY));
  sent(await replyToMessage(erin, id));
  app.clock.moveTo(EXPIRY);
  expect(await tryHold(erin, id)).toMatchObject({ code: "NOT_FOUND" });
  await placeHold(erin, thread.id, { until }); // whose reply is still there
  await app.runJobsOnce();
  expect(await isGone(erin.client, id)).toEqual(["NOT_FOUND"]);
  expect(await newestOf(maria)).toMatchObject({ expiresAt: until });
});

test("a transaction cut off in the middle of placing leaves the message whole and as it was", async () => {
  const { id } = await deliver(maria, erin, { text: "Whole", attachmentIds: [await maria.client.uploaded("a.txt", "a file")] });
  const ctx = signedIn(
    createCtx(app.services, { viewer: { accountId: erin.accountId, sessionId: "", isEmployee: true, isAdministrator: false, isConfined: false } }),
  );
  const hold = { targetId: id, reason: HoldReason.LEGAL, until: UNTIL, note: "A note" };
  const cutOff = inTransaction(ctx, async (ctx) => {
    expect((await placeHoldInside(ctx, hold)).endedAt).toBeNull();
    expect(await ctx.db.manager.query("select from messages where held_by is not null")).toHaveLength(1);
    throw new Error("Killed");
  });
  await expect(cutOff).rejects.toThrow("Killed");
  expect(await inDatabase("holds")).toBe(0);
  const opened = await openMessage(erin, id);
  expect(opened).toMatchObject({ body: { text: "Whole" }, heldUntil: null, expiresAt: EXPIRY.toISOString() });
  expect(await (await erin.client.download(opened.attachments[0]?.downloadUrl ?? "")).text()).toBe("a file");
  await placeHoldInside(ctx, hold);
  expect((await openMessage(erin, id)).heldUntil).toBe(until);
});

test("two nodes that keep holds at once, while others lift and place, leave each message under a key that is there", async () => {
  const { id, thread } = await deliver(maria, erin, { text: "Contended" });
  const ids = await Promise.all([10, 20, 30, 40].map((n) => placeHold(erin, n % 20 === 0 ? thread.id : id, { until: after(UNTIL, n * DAY).toISOString() })));
  app.clock.moveTo(after(START, 200 * DAY));
  await destroyPastKeys(app.ctx());
  const [first = "", second = "", third = ""] = ids;
  await Promise.all([
    keepHolds(app.ctx()),
    liftHold(ada, first),
    liftHold(erin, second),
    keepHolds(app.ctx()),
    liftHold(ada, third),
    placeHold(ada, thread.id),
  ]);
  await Promise.all([keepHolds(app.ctx()), keepHolds(app.ctx())]);
  expect(await openMessage(erin, id)).toMatchObject({ body: { text: "Contended" }, heldUntil: after(UNTIL, 40 * DAY).toISOString() });
  expect((await keysAlive()).filter((key) => key.startsWith("hold/"))).toHaveLength(2);
});

test("everything about holds is in the ledger, by ids and codes, and shows in the feed of each mailbox", async () => {
  const { id } = await deliver(erin, maria);
  const { cursor } = await fetchState(maria.client, maria.mailboxId);
  const live = maria.client.subscribe(MailboxChangedDocument, { mailboxId: maria.mailboxId, after: cursor });
  const holdId = await placeHold(ada, id, { reason: "LEGAL", until, note: "planted-note" });
  expect((await live.next())?.mailboxChanged).toMatchObject({ message: { id, expiresAt: until } });
  await liftHold(ada, holdId);
  expect((await live.next())?.mailboxChanged).toMatchObject({ message: { id, expiresAt: EXPIRY.toISOString() } });
  await live.close();

  await placeHold(ada, id, { until: after(START, DAY).toISOString() });
  await goTo(after(START, DAY));
  await tryHold(maria, id);
  const organisation = (await eventsOf(app)).filter(({ action }) => /^(hold|request)\./.test(action));
  expect(organisation).toMatchObject([
    { action: "hold.placed", actor_id: ada.accountId, code: "LEGAL" },
    { action: "hold.lifted", actor_id: ada.accountId, code: "LEGAL" },
    { action: "hold.placed", actor_id: ada.accountId, code: "APPEAL" },
    { action: "hold.ended", actor_id: null, code: "APPEAL" },
    { action: "request.refused", actor_id: maria.accountId, code: "FORBIDDEN" },
  ]);
  for (const mailbox of [maria, erin]) {
    const events = (await eventsOf(app, mailbox.mailboxKey)).filter(({ action }) => /^message\.(held|released)$/.test(action));
    expect(events).toMatchObject([
      { action: "message.held", actor_id: ada.accountId, code: "LEGAL" },
      { action: "message.released", actor_id: ada.accountId, code: null },
      { action: "message.held", actor_id: ada.accountId, code: "APPEAL" },
      { action: "message.released", actor_id: null, code: null },
    ]);
    expect(new Set(events.map(({ message_id }) => message_id))).toEqual(new Set([organisation[0]?.message_id]));
  }
  expect(JSON.stringify(await sql(app, "select * from events"))).not.toContain("planted-note");
  expect(app.logged.join()).not.toContain("planted-note");
});
