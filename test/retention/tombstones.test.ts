import { TombstonesDocument, type TombstonesQueryVariables } from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { after, DAY, MINUTE } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { liftHold, placeHold } from "../support/holds.ts";
import { deliver, newestOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

const EXPIRY = after(START, RETENTION_DAYS * DAY);
const session = { idleMinutes: 10_000 * 24 * 60, hours: 10_000 * 24 };
const REMOVE = "mutation ($id: ID!) { deleteMessages(input: { messageIds: [$id] }) { ... on DeleteMessagesPayload { messageIds } } }";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp({ config: { session, stepUpMinutes: 1_000_000 } });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterEach(() => app.close());

async function tombstonesOf(person: SignedInPerson, page: Omit<TombstonesQueryVariables, "mailboxId"> = {}) {
  const { mailbox } = await person.client.run(TombstonesDocument, { mailboxId: person.mailboxId, ...page });
  if (mailbox === null) throw new Error("There is no such mailbox");
  return mailbox.tombstones;
}

async function nodesOf(person: SignedInPerson) {
  return (await tombstonesOf(person)).edges.map(({ node }) => node);
}

test("what expired leaves its id, dates, counterpart and whether it was opened to both sides, and nothing of what it said", async () => {
  const opened = await deliver(erin, maria, {
    subject: "planted-subject",
    text: "planted-body",
    attachmentIds: [await erin.client.uploaded("planted-file.txt", "x")],
  });
  app.clock.advance(MINUTE);
  await openMessage(maria, opened.id);
  const unopened = await deliver(erin, maria, { subject: "planted-subject", text: "planted-body" });
  const [second, first] =
    (
      await erin.client.send<{ mailbox: { messages: { edges: { node: { id: string } }[] } } }>(
        "query ($id: ID!) { mailbox(id: $id) { messages(folder: SENT) { edges { node { id } } } } }",
        { id: erin.mailboxId },
      )
    ).data?.mailbox.messages.edges.map(({ node }) => node.id) ?? [];
  const openedAt = after(START, MINUTE).toISOString();
  expect(await nodesOf(maria)).toEqual([]);

  app.clock.moveTo(after(EXPIRY, MINUTE));
  expect(await expireMessages(app.ctx())).toBe(2);
  const gone = { goneAt: after(EXPIRY, MINUTE).toISOString(), reason: "EXPIRED" };
  const sentBy = { displayName: "Test erin", address: erin.address };
  const sentTo = { displayName: "Test maria", address: maria.address };
  expect(new Set(await nodesOf(maria))).toEqual(
    new Set([
      { messageId: unopened.id, counterpart: sentBy, wasSent: false, sentAt: openedAt, openedAt: null, ...gone },
      { messageId: opened.id, counterpart: sentBy, wasSent: false, sentAt: START.toISOString(), openedAt, ...gone },
    ]),
  );
  expect(new Set(await nodesOf(erin))).toEqual(
    new Set([
      { messageId: second, counterpart: sentTo, wasSent: true, sentAt: openedAt, openedAt: null, ...gone },
      { messageId: first, counterpart: sentTo, wasSent: true, sentAt: START.toISOString(), openedAt, ...gone },
    ]),
  );
  expect(JSON.stringify([await tombstonesOf(maria), await sql(app, "select * from events")])).not.toContain("planted");
});

test("a deleted message leaves one to whoever deleted it, and a held one says that the hold kept it", async () => {
  const ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
  const [deleted, lifted, lapsed] = [await deliver(erin, maria), await deliver(erin, maria), await deliver(erin, maria)];
  const liftedHold = await placeHold(ada, lifted.id, { until: after(START, 300 * DAY).toISOString() });
  await placeHold(ada, lapsed.id, { until: after(START, 250 * DAY).toISOString() });
  await maria.client.send(REMOVE, { id: deleted.id });
  expect(await nodesOf(maria)).toMatchObject([
    { messageId: deleted.id, reason: "DELETED", goneAt: START.toISOString(), counterpart: { address: erin.address } },
  ]);
  expect(await nodesOf(erin)).toEqual([]);
  app.clock.moveTo(after(START, 200 * DAY));
  await liftHold(ada, liftedHold);
  await app.runJobsOnce();
  app.clock.moveTo(after(START, 250 * DAY));
  await expireMessages(app.ctx()); // before anybody has noticed that the hold is over
  expect(await nodesOf(maria)).toMatchObject([
    { messageId: lapsed.id, reason: "HOLD_ENDED", sentAt: START.toISOString(), goneAt: after(START, 250 * DAY).toISOString() },
    { messageId: lifted.id, reason: "HOLD_ENDED", goneAt: after(START, 200 * DAY).toISOString() },
    { messageId: deleted.id, reason: "DELETED" },
  ]);
  expect((await nodesOf(erin)).map(({ reason }) => reason).sort()).toEqual(["EXPIRED", "HOLD_ENDED", "HOLD_ENDED"]);
});

test("a hold that ended before day 180 has no part in how the message went", async () => {
  const ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
  const { id } = await deliver(erin, maria);
  await placeHold(ada, id, { until: after(START, 10 * DAY).toISOString() });
  app.clock.moveTo(EXPIRY);
  await expireMessages(app.ctx());
  expect(await nodesOf(maria)).toMatchObject([{ messageId: id, reason: "EXPIRED" }]);
});

test("a message to several has the first as its counterpart, by address where no name is known", async () => {
  const own = sent(await sendMessage(erin, { to: ["nobody.yet@clinic.example", maria.address] }));
  await openMessage(maria, (await newestOf(maria)).id);
  await erin.client.send(REMOVE, { id: own.id });
  expect(await nodesOf(erin)).toMatchObject([
    { messageId: own.id, wasSent: true, openedAt: null, counterpart: { displayName: "nobody.yet@clinic.example", address: "nobody.yet@clinic.example" } },
  ]);
});

test("tombstones are paged last gone first, both ways, for holders of the mailbox only", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) {
    app.clock.advance(MINUTE);
    const { id } = await deliver(erin, maria);
    await maria.client.send(REMOVE, { id });
    ids.unshift(id);
  }
  const page = async (args: Omit<TombstonesQueryVariables, "mailboxId">) => {
    const { edges, pageInfo } = await tombstonesOf(maria, args);
    return { ids: edges.map(({ node }) => node.messageId), cursors: edges.map(({ cursor }) => cursor), ...pageInfo };
  };
  const first = await page({ first: 2 });
  expect(first).toMatchObject({ ids: ids.slice(0, 2), hasNextPage: true, hasPreviousPage: false });
  const rest = await page({ first: 3, after: first.endCursor });
  expect(rest).toMatchObject({ ids: ids.slice(2), hasNextPage: false, hasPreviousPage: true });
  expect((await page({ last: 2 })).ids).toEqual(ids.slice(3));
  expect((await page({ last: 1, before: rest.cursors[0] ?? null })).ids).toEqual(ids.slice(1, 2));
  const query = "query ($id: ID!, $after: String) { mailbox(id: $id) { tombstones(after: $after) { edges { cursor } } } }";
  expect(await erin.client.refusals(query, { id: maria.mailboxId })).toEqual(["NOT_FOUND"]);
  expect(await maria.client.refusals(query, { id: maria.mailboxId, after: "x" })).toEqual(["INVALID_INPUT"]);
});

test("a page of tombstones is one range of their own index", async () => {
  const plan = await app.services.dataSource.transaction(async (manager) => {
    await manager.query("set local enable_seqscan = off");
    return manager.query<{ "QUERY PLAN": string }[]>(
      "explain select sequence from events where mailbox_id = gen_random_uuid() and counterpart_id is not null order by sequence desc limit 25",
    );
  });
  expect(plan.map((line) => line["QUERY PLAN"]).join("\n")).toContain("events_tombstones");
});
