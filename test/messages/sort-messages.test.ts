import { randomUUID } from "node:crypto";
import type { Folder } from "../../operations/generated/operations.ts";
import { after, DAY, SECOND } from "../../src/clock.ts";
import { decodeOwnedId, encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { HolderRole } from "../../src/mailboxes/mailbox-holder.ts";
import { letIn } from "../../src/mailboxes/open-mailbox.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { deliver, folderOf, messagesOf, newestOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";
import { Random } from "../support/random.ts";
import { eventsOf } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let frank: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 500_000, hours: 10_000 } } });
  [erin, frank, maria] = [await employee(app, "erin"), await employee(app, "frank"), await member(app, "maria")];
});

beforeEach(() => app.clock.advance(SECOND));

afterAll(() => app.close());

const mutations = ["markRead", "markUnread", "flag", "unflag", "moveToFolder", "deleteMessages"] as const;
type Mutation = (typeof mutations)[number];

interface Sorted {
  messages?: { id: string; isRead: boolean; isFlagged: boolean; folder: Folder }[];
  messageIds?: string[];
  mailboxes?: { id: string; unreadCount: number }[];
  code?: string;
  field?: string;
  limit?: number | null;
}

test("each mutation does what it says, tells the new state, and what is so already stays as it is", async () => {
  const { id } = await deliver(erin, maria);
  const { unreadCount: unread } = await folderOf(maria);
  const row = { id, isRead: false, isFlagged: false, folder: "INBOX" };
  const steps: [Mutation, Folder | undefined, object, number][] = [
    ["markRead", undefined, { isRead: true }, unread - 1],
    ["markRead", undefined, { isRead: true }, unread - 1],
    ["flag", undefined, { isRead: true, isFlagged: true }, unread - 1],
    ["markUnread", undefined, { isFlagged: true }, unread],
    ["moveToFolder", "ARCHIVE", { isFlagged: true, folder: "ARCHIVE" }, unread - 1],
    ["unflag", undefined, { folder: "ARCHIVE" }, unread - 1],
    ["markRead", undefined, { isRead: true, folder: "ARCHIVE" }, unread - 1],
    ["markUnread", undefined, { folder: "ARCHIVE" }, unread - 1],
    ["moveToFolder", "TRASH", { folder: "TRASH" }, unread - 1],
    ["moveToFolder", "INBOX", {}, unread],
  ];
  for (const [mutation, folder, change, unreadCount] of steps) {
    const state = { ...row, ...change };
    expect(await sort(maria, mutation, [id], folder)).toEqual({ messages: [state], mailboxes: [{ id: maria.mailboxId, unreadCount }] });
    expect((await messagesOf(maria, { folder: state.folder as Folder }))[0]).toMatchObject(state);
  }
  expect(await sort(maria, "deleteMessages", [id])).toEqual({ messageIds: [id], mailboxes: [{ id: maria.mailboxId, unreadCount: unread - 1 }] });
  expect(await sort(maria, "markRead", [id])).toMatchObject({ code: "NOT_FOUND", field: "messageIds" });
  expect(await sort(maria, "deleteMessages", [id])).toMatchObject({ code: "NOT_FOUND", field: "messageIds" });
});

test("what changes nothing is not recorded, and what changes something is, with its actor", async () => {
  const { id } = await deliver(erin, maria);
  const before = (await eventsOf(app, maria.mailboxKey)).length;
  for (const mutation of ["markUnread", "unflag", "markRead", "markRead", "flag", "flag", "unflag", "markUnread"] as const) await sort(maria, mutation, [id]);
  await sort(maria, "moveToFolder", [id], "INBOX");
  await sort(maria, "moveToFolder", [id], "TRASH");
  await sort(maria, "deleteMessages", [id]);
  const events = (await eventsOf(app, maria.mailboxKey)).slice(before);
  expect(events.map(({ action }) => action)).toEqual([
    "message.marked-read",
    "message.flagged",
    "message.unflagged",
    "message.marked-unread",
    "message.moved",
    "message.deleted",
  ]);
  const subject = { actor_id: maria.accountId, subject_id: decodeOwnedId("Message", id).uuid };
  for (const event of events) expect(event).toMatchObject(subject);
});

test("the answer has each message once, in the order given", async () => {
  const ids = [(await deliver(erin, maria)).id, (await deliver(erin, maria)).id, (await deliver(erin, maria)).id] as const;
  const [a, b, c] = ids;
  const { messages } = await sort(maria, "flag", [b, a, b, c, a]);
  expect(messages?.map(({ id }) => id)).toEqual([b, a, c]);
  expect((await sort(maria, "deleteMessages", [c, c, a])).messageIds).toEqual([c, a]);
});

test("deleting takes one's own copy only, from lists, threads and by its id", async () => {
  const own = sent(await sendMessage(erin, { to: [maria.address, frank.address], subject: "Shared" }));
  const { id, thread } = await newestOf(maria);
  await sort(maria, "deleteMessages", [id]);
  expect((await messagesOf(maria)).map((row) => row.id)).not.toContain(id);
  expect(await maria.client.refusals("query ($id: ID!) { message(id: $id) { id } }", { id })).toEqual(["NOT_FOUND"]);
  expect(await maria.client.refusals("query ($id: ID!) { thread(id: $id) { id } }", { id: thread.id })).toEqual(["NOT_FOUND"]);
  expect((await openMessage(frank, (await newestOf(frank)).id)).body.text).toBe("Some words.");
  expect((await openMessage(erin, own.id)).body.text).toBe("Some words.");
});

describe("SENT", () => {
  test("takes what was sent from its mailbox, and nothing that came in", async () => {
    const { id: received } = await deliver(erin, maria);
    expect(await sort(maria, "moveToFolder", [received], "SENT")).toMatchObject({ code: "INVALID_INPUT", field: "folder" });
    const own = sent(await sendMessage(erin, { to: [maria.address] }));
    expect(await sort(erin, "moveToFolder", [own.id], "TRASH")).toMatchObject({ messages: [{ folder: "TRASH" }] });
    expect(await sort(erin, "moveToFolder", [own.id], "SENT")).toMatchObject({ messages: [{ folder: "SENT" }] });
  });

  test("counts as unread only what was moved out of it to the INBOX", async () => {
    const { unreadCount } = await folderOf(erin);
    const own = sent(await sendMessage(erin, { to: [maria.address] }));
    await sort(erin, "markUnread", [own.id]);
    expect((await folderOf(erin)).unreadCount).toBe(unreadCount);
    await sort(erin, "moveToFolder", [own.id], "INBOX");
    expect((await folderOf(erin)).unreadCount).toBe(unreadCount + 1);
    await sort(erin, "moveToFolder", [own.id], "SENT");
    expect((await folderOf(erin)).unreadCount).toBe(unreadCount);
  });
});

describe("all or nothing", () => {
  let mine: string[];
  let foreign: string;

  beforeAll(async () => {
    mine = [(await deliver(erin, maria)).id, (await deliver(erin, maria)).id];
    foreign = (await deliver(erin, frank)).id;
  });

  test.each(mutations)("%s changes nothing where one message is not the viewer's", async (mutation) => {
    const folder = mutation === "moveToFolder" ? "TRASH" : undefined;
    const before = [await messagesOf(maria), await messagesOf(frank), await folderOf(maria)];
    const ids = [
      foreign,
      encodeId("Message", maria.mailboxKey, newId(START)),
      encodeId("Message", maria.mailboxKey, decodeOwnedId("Message", foreign).uuid),
      encodeId("Thread", maria.mailboxKey, newId(START)),
      "",
    ];
    for (const id of ids) expect(await sort(maria, mutation, [...mine, id], folder)).toMatchObject({ code: "NOT_FOUND", field: "messageIds" });
    expect([await messagesOf(maria), await messagesOf(frank), await folderOf(maria)]).toEqual(before);
  });

  test.each(mutations.filter((mutation) => mutation !== "deleteMessages"))("%s works on exactly those that are", async (mutation) => {
    const { messages } = await sort(maria, mutation, mine, mutation === "moveToFolder" ? "TRASH" : undefined);
    expect(messages?.map(({ id }) => id)).toEqual(mine);
  });

  test("a mailbox of which the viewer is only a reader stops it as well", async () => {
    const team = await createTeam(app, "claims", [frank]);
    await letIn(app.ctx(), { mailboxId: team.mailboxKey, accountId: erin.accountId, role: HolderRole.READER });
    sent(await sendMessage(maria, { to: [team.address, erin.address] }));
    const { id: teams } = await newestOf(erin, { mailboxId: team.mailboxId });
    const { id: own } = await newestOf(erin);
    for (const mutation of mutations) {
      expect(await sort(erin, mutation, [own, teams], "ARCHIVE")).toMatchObject({ code: "MAILBOX_READ_ONLY" });
    }
    expect(await newestOf(erin)).toMatchObject({ id: own, isRead: false, isFlagged: false });
    expect(await sort(frank, "flag", [teams])).toMatchObject({ messages: [{ id: teams, isFlagged: true }] });
  });
});

test("messages of several mailboxes are sorted together, and each mailbox tells its count", async () => {
  const team = await createTeam(app, "appeals", [frank]);
  sent(await sendMessage(maria, { to: [team.address, frank.address] }));
  const [own, teams] = [(await newestOf(frank)).id, (await newestOf(frank, { mailboxId: team.mailboxId })).id];
  const { unreadCount } = await folderOf(frank);
  const { messages, mailboxes } = await sort(frank, "markRead", [teams, own]);
  expect(messages?.map(({ id }) => id)).toEqual([teams, own]);
  expect(mailboxes).toEqual([
    { id: team.mailboxId, unreadCount: 0 },
    { id: frank.mailboxId, unreadCount: unreadCount - 1 },
  ]);
});

test("a hundred go at once and a hundred and one do not, whichever mutation", async () => {
  const crowded = await member(app, "crowded");
  await Promise.all(Array.from({ length: 101 }, () => sendMessage(erin, { to: [crowded.address] })));
  const first = await messagesOf(crowded);
  const [oldest] = await messagesOf(crowded, { last: 1 });
  const ids = first.map(({ id }) => id);
  expect(new Set([...ids, oldest?.id]).size).toBe(101);
  for (const mutation of mutations) {
    expect(await sort(crowded, mutation, [...ids, oldest?.id ?? ""], "TRASH")).toMatchObject({ code: "LIMIT_EXCEEDED", field: "messageIds", limit: 100 });
    expect((await folderOf(crowded, { first: 1 })).unreadCount).toBe(101);
  }
  expect(await sort(crowded, "flag", ids)).toMatchObject({ messages: { length: 100 } });
  expect(await sort(crowded, "markRead", ids)).toMatchObject({ messages: { length: 100 }, mailboxes: [{ unreadCount: 1 }] });
  expect(await sort(crowded, "moveToFolder", ids, "ARCHIVE")).toMatchObject({ messages: { length: 100 }, mailboxes: [{ unreadCount: 1 }] });
  expect((await messagesOf(crowded)).map(({ id }) => id)).toEqual([oldest?.id]);
  expect(await sort(crowded, "deleteMessages", ids)).toMatchObject({ messageIds: { length: 100 }, mailboxes: [{ unreadCount: 1 }] });
  expect(await messagesOf(crowded, { folder: "ARCHIVE" })).toEqual([]);
});

test("an expired message is not there to be sorted, even before it is swept", async () => {
  const lena = await member(app, "lena");
  const { id, expiresAt } = await deliver(erin, lena);
  const stays = await laterMessage(lena);
  app.clock.moveTo(new Date(Date.parse(expiresAt) - 1));
  expect(await sort(lena, "flag", [id])).toMatchObject({ messages: [{ id }] });
  expect((await folderOf(lena)).unreadCount).toBe(2);
  app.clock.moveTo(new Date(expiresAt));
  for (const mutation of mutations) expect(await sort(lena, mutation, [stays, id], "TRASH")).toMatchObject({ code: "NOT_FOUND", field: "messageIds" });
  expect((await folderOf(lena)).unreadCount).toBe(1);
  expect((await messagesOf(lena)).map((row) => row.id)).toEqual([stays]);
});

test("whatever is done in whatever order, the unread count is what counting the list gives", async () => {
  const random = new Random(20_260_302);
  const nora = await member(app, "nora");
  const ids: string[] = [];
  for (let n = 0; n < 6; n += 1) ids.push((await deliver(erin, nora)).id);
  const folders: Folder[] = ["INBOX", "ARCHIVE", "TRASH"];
  for (let step = 0; step < 60; step += 1) {
    const some = random.shuffled(ids).slice(0, 1 + random.below(3));
    const act = random.below(8);
    if (act === 0) ids.push((await deliver(erin, nora)).id);
    else if (act === 1 && some[0] !== undefined) await openMessage(nora, some[0]);
    else if (act === 2 && ids.length > 4) {
      await sort(nora, "deleteMessages", some);
      ids.splice(0, ids.length, ...ids.filter((id) => !some.includes(id)));
    } else await sort(nora, random.pick(mutations.slice(0, 5)), some, random.pick(folders));
    const { unreadCount, messages } = await folderOf(nora);
    expect({ step, unreadCount }).toEqual({ step, unreadCount: messages.edges.filter(({ node }) => !node.isRead).length });
  }
});

test("mutations that run at the same time leave the count right", async () => {
  const otto = await member(app, "otto");
  const ids: string[] = [];
  for (let n = 0; n < 4; n += 1) ids.push((await deliver(erin, otto)).id);
  await Promise.all(
    Array.from({ length: 40 }, (_, n) => {
      const some = [ids[n % 4] ?? "", ids[(n * 3 + 1) % 4] ?? ""];
      return n % 5 === 4 ? openMessage(otto, some[0] ?? "") : sort(otto, n % 2 === 0 ? "markRead" : "markUnread", some);
    }),
  );
  const { unreadCount, messages } = await folderOf(otto);
  expect(unreadCount).toBe(messages.edges.filter(({ node }) => !node.isRead).length);
});

async function sort({ client }: SignedInPerson, mutation: Mutation, messageIds: readonly string[], folder: Folder = "INBOX"): Promise<Sorted> {
  const name = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}`;
  const messages = mutation === "deleteMessages" ? "messageIds" : "messages { id isRead isFlagged folder }";
  const { data, errors } = await client.send<Record<string, Sorted>>(
    `mutation ($input: ${name}Input!) { ${mutation}(input: $input) { ... on ${name}Payload { ${messages} mailboxes { id unreadCount } } ... on Problem { code field limit } } }`,
    { input: { messageIds, ...(mutation === "moveToFolder" ? { folder } : {}) } },
  );
  const answer = data?.[mutation];
  if (answer === undefined) throw new Error(`The operation failed: ${JSON.stringify(errors)}`);
  return answer;
}

/** A message that comes a day later than all others. */
async function laterMessage(to: SignedInPerson): Promise<string> {
  app.clock.moveTo(after(app.clock.now(), DAY));
  return (await deliver(erin, to, { idempotencyKey: randomUUID() })).id;
}
