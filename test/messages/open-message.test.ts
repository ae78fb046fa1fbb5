import { InboxDocument, SyncDocument, ThreadDocument } from "../../operations/generated/operations.ts";
import { HOUR, SECOND } from "../../src/clock.ts";
import { decodeOwnedId } from "../../src/graphql/node-id.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { deliver, folderOf, messagesOf, newestOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";
import { eventsOf, type LedgerRow, sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let frank: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 10_000, hours: 1000 } } });
  [erin, frank, maria] = [await employee(app, "erin"), await employee(app, "frank"), await member(app, "maria")];
});

beforeEach(() => app.clock.advance(SECOND));

afterAll(() => app.close());

const STATE = "id isRead openedAt";
const BODY = "body { text html }";

/** Every way to a message's body. */
const ways: Record<string, (id: string, thread: string) => [query: string, variables: object]> = {
  message: (id) => [`query ($id: ID!) { message(id: $id) { ${BODY} } }`, { id }],
  node: (id) => [`query ($id: ID!) { node(id: $id) { ... on Message { ${BODY} } } }`, { id }],
  nodes: (id) => [`query ($id: ID!) { nodes(ids: [$id]) { ... on Message { ${BODY} } } }`, { id }],
  "a fragment on Node": (id) => [`query ($id: ID!) { node(id: $id) { ...F } } fragment F on Node { ... on Message { said: body { text } } }`, { id }],
  "a thread": (_id, thread) => [`query ($id: ID!) { thread(id: $id) { messages { edges { node { ${BODY} } } } } }`, { id: thread }],
  "a list": () => [`query ($id: ID!) { mailbox(id: $id) { messages(first: 1) { edges { node { ${BODY} } } } } }`, { id: maria.mailboxId }],
  viewer: () => [`{ viewer { mailboxes { messages(first: 1) { edges { node { ${BODY} } } } } } }`, {}],
  "a mutation's payload": (id) => [`mutation ($id: ID!) { flag(input: { messageIds: [$id] }) { ... on FlagPayload { messages { ${BODY} } } } }`, { id }],
  "what answers it": () => [
    `query ($id: ID!) { mailbox(id: $id) { messages(first: 1) { edges { node { inReplyTo { id } ${BODY} } } } } }`,
    { id: maria.mailboxId },
  ],
  "another operation of the document": (id) => [`query Other { viewer { account { id } } } query Wanted($id: ID!) { message(id: $id) { ${BODY} } }`, { id }],
  "the feed, by asking": () => [
    `query ($id: ID!, $after: String!) { mailbox(id: $id) { changes(after: $after, first: 100) { edges { node { ... on MessageReceived { message { ${BODY} } } } } } } }`,
    { id: maria.mailboxId, after: "" },
  ],
};

describe("fetching the body opens a message, by way of", () => {
  test.each(Object.keys(ways))("%s", async (way) => {
    const cursor = (await maria.client.run(InboxDocument, { mailboxId: maria.mailboxId, first: 1, after: null, filter: null })).mailbox?.cursor;
    const { id, thread } = await deliver(erin, maria);
    const { unreadCount } = await folderOf(maria);
    expect(await stateOf(id)).toEqual({ id, isRead: false, openedAt: null });
    const [query, variables] = ways[way]?.(id, thread.id) ?? ["", {}];
    const operation = query.includes("query Wanted") ? { operationName: "Wanted" } : {};
    const response = await fetch(`${app.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${maria.client.token}` },
      body: JSON.stringify({ query, variables: "after" in variables ? { ...variables, after: cursor } : variables, ...operation }),
    });
    expect(await response.text()).toContain("Some words.");
    expect(await stateOf(id)).toEqual({ id, isRead: true, openedAt: app.clock.now().toISOString() });
    expect((await folderOf(maria)).unreadCount).toBe(unreadCount - 1);
  });
});

test("no field but the body opens a message, in a row or by itself", async () => {
  const file = await erin.client.uploaded("a.txt", "a");
  const { id, thread } = await deliver(erin, maria, { attachmentIds: [file] });
  const before = await copyEvents(id);
  const { data, errors } = await maria.client.send(
    `query ($id: ID!) { message(id: $id) {
       id folder subject preview priority sentAt expiresAt isRead isFlagged openedAt attachmentCount from { displayName address } thread { id messages { edges { node { id } } } }
       mailbox { id unreadCount } recipients { kind displayName address delivery { status } } attachments { id fileName mediaType size downloadUrl } inReplyTo { id }
       canReply { allowed reason alternative } canForward { allowed reason alternative } } }`,
    { id },
  );
  expect(errors).toBeUndefined();
  expect(data).toMatchObject({ message: { isRead: false, openedAt: null, attachmentCount: 1 } });
  await messagesOf(maria);
  await maria.client.run(ThreadDocument, { id: thread.id, first: 10, after: null });
  await maria.client.run(SyncDocument, { mailboxId: maria.mailboxId, after: (await inboxCursor()) ?? "", first: 10 });
  await maria.client.download(`/attachments/${file}`);
  expect(await stateOf(id)).toEqual({ id, isRead: false, openedAt: null });
  expect(await copyEvents(id)).toEqual(before);
});

test("a body that is skipped, or asked of something else, opens nothing", async () => {
  const { id } = await deliver(erin, maria);
  for (const query of [
    `query ($id: ID!) { message(id: $id) { ${STATE} body @skip(if: true) { text } } }`,
    `query ($id: ID!, $want: Boolean = false) { message(id: $id) { ${STATE} ... @include(if: $want) { body { text } } } }`,
    `query ($id: ID!) { node(id: $id) { ... on Draft { body { text } } ... on Message { ${STATE} } } }`,
  ])
    expect(Object.values((await maria.client.send(query, { id })).data ?? {})).toEqual([{ id, isRead: false, openedAt: null }]);
  expect(await stateOf(id)).toMatchObject({ isRead: false });
});

test("isRead, openedAt and canReply tell of the opening in the very answer that opens, wherever they stand", async () => {
  for (const selection of [`isRead openedAt canReply { allowed } ${BODY}`, `${BODY} canReply { allowed } openedAt isRead`]) {
    const { id } = await deliver(erin, maria);
    app.clock.advance(SECOND);
    const { data } = await maria.client.send(`query ($id: ID!) { message(id: $id) { ${selection} } }`, { id });
    expect(data).toEqual({
      message: { isRead: true, openedAt: app.clock.now().toISOString(), canReply: { allowed: true }, body: { text: "Some words.", html: null } },
    });
  }
  const { id } = await deliver(erin, maria);
  const aliased = await maria.client.send(`query ($id: ID!) { a: message(id: $id) { isRead } b: message(id: $id) { body { text } isRead } }`, { id });
  expect(aliased.data).toMatchObject({ a: { isRead: true }, b: { isRead: true, body: { text: "Some words." } } });
});

test("the first opening is kept, and every one stands in the ledger", async () => {
  const { id } = await deliver(erin, maria);
  const { uuid } = decodeOwnedId("Message", id);
  const firstOpened = app.clock.now().toISOString();
  for (let n = 0; n < 3; n += 1) {
    expect((await openMessage(maria, id)).openedAt).toBe(firstOpened);
    app.clock.advance(HOUR);
  }
  const events = (await eventsOf(app, maria.mailboxKey)).filter(({ subject_id }) => subject_id === uuid);
  expect(events.map(({ action }) => action)).toEqual(["message.received", "message.opened", "message.viewed", "message.viewed"]);
  expect(events.slice(1).map(({ actor_id }) => actor_id)).toEqual([maria.accountId, maria.accountId, maria.accountId]);
});

test("twenty who open a message at once open it once", async () => {
  const { id } = await deliver(erin, maria);
  const { unreadCount } = await folderOf(maria);
  await Promise.all(Array.from({ length: 20 }, () => openMessage(maria, id)));
  const actions = (await copyEvents(id)).map(({ action }) => action);
  expect(actions.filter((action) => action === "message.opened")).toHaveLength(1);
  expect(actions.filter((action) => action === "message.viewed")).toHaveLength(19);
  expect((await folderOf(maria)).unreadCount).toBe(unreadCount - 1);
});

test("a page with bodies opens all of them together", async () => {
  const nora = await member(app, "nora");
  for (let n = 0; n < 5; n += 1) sent(await sendMessage(erin, { to: [nora.address] }));
  const query = `query ($id: ID!) { mailbox(id: $id) { messages { edges { node { isRead ${BODY} } } } } }`;
  const { data } = await nora.client.send<{ mailbox: { messages: { edges: { node: { isRead: boolean } }[] } } }>(query, { id: nora.mailboxId });
  expect(data?.mailbox.messages.edges.map(({ node }) => node.isRead)).toEqual([true, true, true, true, true]);
  expect((await folderOf(nora)).unreadCount).toBe(0);
  expect((await eventsOf(app, nora.mailboxKey)).filter(({ action }) => action === "message.opened")).toHaveLength(5);
});

test("a message marked unread again stays opened, and opening it once more leaves it unread", async () => {
  const { id } = await deliver(erin, maria);
  const { openedAt } = await openMessage(maria, id);
  await maria.client.send("mutation ($id: ID!) { markUnread(input: { messageIds: [$id] }) { __typename } }", { id });
  expect(await stateOf(id)).toEqual({ id, isRead: false, openedAt });
  sent(await replyToMessage(maria, id));
});

test("what was sent counts as opened when it was sent, and reading it again is recorded", async () => {
  const own = sent(await sendMessage(erin, { to: [maria.address] }));
  const sentAt = app.clock.now().toISOString();
  app.clock.advance(HOUR);
  expect(await openMessage(erin, own.id)).toMatchObject({ isRead: true, openedAt: sentAt });
  const { uuid } = decodeOwnedId("Message", own.id);
  expect((await eventsOf(app, erin.mailboxKey)).filter(({ subject_id }) => subject_id === uuid).map(({ action }) => action)).toEqual([
    "message.sent",
    "message.viewed",
  ]);
});

describe("the sender's delivery", () => {
  test("turns OPENED for whoever opened, when they did, and the sender's mailbox is told", async () => {
    const own = sent(await sendMessage(erin, { to: [maria.address], cc: [frank.address] }));
    const sentAt = app.clock.now().toISOString();
    const waiting = { status: "SENT", route: "PORTAL", updatedAt: sentAt };
    expect((await openMessage(erin, own.id)).recipients.map(({ delivery }) => delivery)).toEqual([waiting, waiting]);
    app.clock.advance(HOUR);
    await openMessage(maria, (await newestOf(maria)).id);
    const opened = { status: "OPENED", route: "PORTAL", updatedAt: app.clock.now().toISOString() };
    expect((await openMessage(erin, own.id)).recipients.map(({ delivery }) => delivery)).toEqual([opened, waiting]);
    app.clock.advance(HOUR);
    await openMessage(maria, (await newestOf(maria)).id);
    expect((await openMessage(erin, own.id)).recipients.map(({ delivery }) => delivery)).toEqual([opened, waiting]);
    const { uuid } = decodeOwnedId("Message", own.id);
    const told = (await eventsOf(app, erin.mailboxKey)).filter(({ subject_id, action }) => subject_id === uuid && action === "delivery.opened");
    expect(told).toMatchObject([{ actor_id: maria.accountId }]);
  });

  test("is the sender's alone to see: not a recipient's, by any way, not even after passing it on", async () => {
    sent(await sendMessage(erin, { to: [maria.address, frank.address] }));
    const seen = "recipients { address delivery { status } }";
    for (const person of [maria, frank]) {
      const { id, thread } = await newestOf(person);
      await openMessage(person, id);
      for (const [query, variables] of [
        [`query ($id: ID!) { message(id: $id) { ${seen} } }`, { id }],
        [`query ($id: ID!) { node(id: $id) { ... on Message { ${seen} } } }`, { id }],
        [`query ($id: ID!) { thread(id: $id) { messages { edges { node { ${seen} } } } } }`, { id: thread.id }],
        [`query ($id: ID!) { mailbox(id: $id) { messages(first: 1) { edges { node { ${seen} } } } } }`, { id: person.mailboxId }],
      ] as const) {
        const answer = JSON.stringify((await person.client.send(query, variables)).data);
        expect(answer).toContain(frank.address);
        expect(answer).toContain('"delivery":null');
        expect(answer).not.toContain("status");
      }
    }
  });

  test("stays when the recipient only marks it read, and the sender may have deleted their copy", async () => {
    const own = sent(await sendMessage(erin, { to: [maria.address] }));
    const { id } = await newestOf(maria);
    await maria.client.send("mutation ($id: ID!) { markRead(input: { messageIds: [$id] }) { __typename } }", { id });
    expect((await openMessage(erin, own.id)).recipients).toMatchObject([{ delivery: { status: "SENT" } }]);
    await erin.client.send("mutation ($id: ID!) { deleteMessages(input: { messageIds: [$id] }) { __typename } }", { id: own.id });
    expect(await openMessage(maria, id)).toMatchObject({ isRead: true });
  });

  test("counts for every recipient, though they stand in one team", async () => {
    const team = await createTeam(app, "claims", [frank]);
    const own = sent(await sendMessage(maria, { to: [team.address, erin.address] }));
    await openMessage(frank, (await newestOf(frank, { mailboxId: team.mailboxId })).id);
    expect((await openMessage(maria, own.id)).recipients).toMatchObject([
      { address: team.address, delivery: { status: "OPENED" } },
      { address: erin.address, delivery: { status: "SENT" } },
    ]);
  });
});

async function stateOf(id: string) {
  const { data } = await maria.client.send<{ message: { id: string; isRead: boolean; openedAt: string | null } }>(
    `query ($id: ID!) { message(id: $id) { ${STATE} } }`,
    { id },
  );
  return data?.message;
}

async function copyEvents(id: string): Promise<LedgerRow[]> {
  return sql(app, "select action, actor_id, subject_id, message_id, code from events where subject_id = $1 order by sequence", [
    decodeOwnedId("Message", id).uuid,
  ]);
}

async function inboxCursor(): Promise<string | undefined> {
  return (await maria.client.run(InboxDocument, { mailboxId: maria.mailboxId, first: 1, after: null, filter: null })).mailbox?.cursor;
}
