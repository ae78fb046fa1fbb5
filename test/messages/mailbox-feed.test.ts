import { randomUUID } from "node:crypto";
import { print } from "graphql";
import {
  DeleteMessagesDocument,
  FlagDocument,
  ForwardDocument,
  MarkReadDocument,
  MarkUnreadDocument,
  MessageArrivedDocument,
  type MessageRowFragment,
  MoveToFolderDocument,
  OpenMessageDocument,
  ReplyDocument,
  UnflagDocument,
} from "../../operations/generated/operations.ts";
import { createCtx, inTransaction, signedIn } from "../../src/context.ts";
import { feedCursor } from "../../src/mailboxes/mailbox.ts";
import { sendMessage } from "../../src/messages/send-message.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client, type Subscription } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { Changes, Feed, type FeedEvent, fetchChanges, sequenceOf } from "../support/feed.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";
import { Random } from "../support/random.ts";
import { fetchFolder, fetchState, folders, send } from "../support/writing.ts";

let app: TestApp;
let beside: TestApp;
let erin: SignedInPerson;
let dan: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp();
  beside = await startTestApp({ beside: app });
  [erin, dan, maria] = await Promise.all([employee(app, "erin"), employee(app, "dan"), member(app, "maria")]);
});

afterAll(async () => {
  await beside.close();
  await app.close();
});

test("a reader who reconnects at any point gets what they missed, in order, without a gap or a double, while others go on writing", async () => {
  const messages = 200;
  const start = (await fetchState(maria.client, maria.mailboxId)).cursor;
  const subjects = Array.from({ length: messages }, (_, n) => `message ${n}`);
  const waiting = [...subjects];
  const write = async (from: SignedInPerson): Promise<void> => {
    for (let subject; (subject = waiting.shift()) !== undefined;) await send(from, [maria.address], { subject });
  };
  const [here, there] = await Promise.all([
    readInStints(maria.client, maria.mailboxId, start, messages, new Random(1)),
    readInStints(on(beside, maria).client, maria.mailboxId, start, messages, new Random(2)),
    ...[erin, dan, on(beside, erin), on(beside, dan)].map(write),
  ]);

  const numbers = subjects.map((_, n) => sequenceOf(start) + 1 + n);
  expect(here.map(({ cursor }) => sequenceOf(cursor))).toEqual(numbers);
  expect(there.map(({ cursor }) => sequenceOf(cursor))).toEqual(numbers);
  expect(here.map(subjectOf).sort()).toEqual([...subjects].sort());
  expect(there.map(subjectOf)).toEqual(here.map(subjectOf));
  expect(here.at(-1)?.unreadCount).toBe(messages);
});

test("paging through `changes` shows the same events as the subscription, whatever the page size", async () => {
  const start = (await fetchState(maria.client, maria.mailboxId)).cursor;
  const ids = (await fetchFolder(maria.client, maria.mailboxId)).map(({ id }) => id);
  await maria.client.run(MarkReadDocument, { input: { messageIds: ids.slice(0, 90) } });
  await maria.client.run(OpenMessageDocument, { id: ids[100] ?? "" });
  await maria.client.run(OpenMessageDocument, { id: ids[100] ?? "" }); // again: in the ledger, but nothing for the feed to show
  await maria.client.run(FlagDocument, { input: { messageIds: ids.slice(50, 100) } });
  await maria.client.run(DeleteMessagesDocument, { input: { messageIds: ids.slice(0, 10) } });
  await send(erin, [maria.address]);
  const { events, cursor } = await fetchChanges(maria.client, maria.mailboxId, start, 100);

  expect(cursor).toBe((await fetchState(maria.client, maria.mailboxId)).cursor);
  expect(new Set(events.map(({ __typename }) => __typename))).toEqual(new Set(["MessageReceived", "MessageChanged", "MessageRemoved"]));
  // Ten changes are not told, since their message is gone since; that it is gone, is.
  expect(events).toHaveLength(80 + 1 + 50 + 10 + 1);
  for (const size of [9, 50]) expect((await fetchChanges(maria.client, maria.mailboxId, start, size)).events).toEqual(events);
  expect(await take(maria.client, maria.mailboxId, start, events.length)).toEqual(events);
  const middle = events[60]?.cursor ?? "";
  expect(await take(on(beside, maria).client, maria.mailboxId, middle, events.length - 61)).toEqual(events.slice(61));
});

test("without `after` the feed begins now", async () => {
  await send(erin, [maria.address], { subject: "before" });
  const { cursor } = await fetchState(maria.client, maria.mailboxId);
  const live = maria.client.subscribe(Feed, { mailboxId: maria.mailboxId, after: null });
  const first = live.next();
  const said = await sayUntil(first, (n) => send(erin, [maria.address], { subject: `after ${n}` }));
  const event = (await first)?.mailboxChanged;
  expect(said).toContain(event && subjectOf(event));
  expect(sequenceOf(event?.cursor ?? "")).toBeGreaterThan(sequenceOf(cursor));
  await live.close();
});

test("a cursor with more behind it than is replayed gets one RefetchRequired, then what happens from there on; one event less is replayed", async () => {
  const narrow = await startTestApp({ beside: app, limits: { maxReplayedEvents: 5 } });
  const reader = on(narrow, maria);
  const start = (await fetchState(maria.client, maria.mailboxId)).cursor;
  for (let n = 0; n < 6; n += 1) await send(erin, [maria.address], { subject: `missed ${n}` });
  const now = await fetchState(maria.client, maria.mailboxId);
  const oneLess = feedCursor(sequenceOf(start) + 1);
  expect((await take(reader.client, maria.mailboxId, oneLess, 5)).map(subjectOf)).toEqual(["missed 1", "missed 2", "missed 3", "missed 4", "missed 5"]);

  const live = reader.client.subscribe(Feed, { mailboxId: maria.mailboxId, after: start });
  expect((await live.next())?.mailboxChanged).toEqual({ __typename: "RefetchRequired", ...now, reason: expect.stringContaining("Fetch the mailbox again") });
  await send(erin, [maria.address], { subject: "from here on" });
  expect(subjectOf((await live.next())?.mailboxChanged)).toBe("from here on");
  await live.close();

  const asked = await fetchChanges(reader.client, maria.mailboxId, start, 100);
  expect(asked.events).toMatchObject([{ __typename: "RefetchRequired", cursor: asked.cursor }]);
  expect(await fetchChanges(reader.client, maria.mailboxId, asked.cursor, 100)).toEqual({ events: [], cursor: asked.cursor });
  await narrow.close();
});

test("the last event has the unread count of its own moment, even where the message came while the feed was being read", async () => {
  const { cursor } = await fetchState(maria.client, maria.mailboxId);
  await send(erin, [maria.address], { subject: "there already" });
  let reading = Promise.resolve<FeedEvent[]>([]);
  const asErin = signedIn(
    createCtx(app.services, { viewer: { accountId: erin.accountId, sessionId: "", isEmployee: true, isAdministrator: false, isConfined: false } }),
  );
  await inTransaction(asErin, async (ctx) => {
    await ctx.db.manager.query("set local role none"); // The server's own role may not keep readers out
    await ctx.db.manager.query("lock table events in access exclusive mode");
    reading = take(maria.client, maria.mailboxId, cursor, 2);
    await eventually(async () => {
      const locks = await app.services.dataSource.query<unknown[]>("select from pg_locks where relation = 'events'::regclass and not granted");
      expect(locks).toHaveLength(1);
    });
    const message = { to: [maria.address], cc: [], subject: "just come", body: { text: "" }, priority: null, attachmentIds: [], draftId: null };
    await sendMessage(ctx, { ...message, mailboxId: erin.mailboxKey, idempotencyKey: randomUUID() });
  });
  const { unreadCount } = await fetchState(maria.client, maria.mailboxId);
  const events = await reading;
  expect(events.map(subjectOf)).toEqual(["there already", "just come"]);
  expect(events.at(-1)?.unreadCount).toBe(unreadCount);
});

test("a cursor from the future gets one RefetchRequired, then what happens from there on", async () => {
  const now = await fetchState(maria.client, maria.mailboxId);
  const live = maria.client.subscribe(Feed, { mailboxId: maria.mailboxId, after: feedCursor(sequenceOf(now.cursor) + 1000) });
  expect((await live.next())?.mailboxChanged).toMatchObject({ __typename: "RefetchRequired", ...now });
  await send(erin, [maria.address], { subject: "the present" });
  expect(subjectOf((await live.next())?.mailboxChanged)).toBe("the present");
  await live.close();
});

test.each(["", "x", "feed 1", Buffer.from("feed -1").toString("base64url"), Buffer.from("message 1").toString("base64url")])(
  "what is no cursor of a feed is refused: %j",
  async (after) => {
    const { cursor } = await fetchState(maria.client, maria.mailboxId);
    expect(await fetchChanges(maria.client, maria.mailboxId, cursor, 1)).toEqual({ events: [], cursor });
    expect(await maria.client.refusals(print(Changes), { mailboxId: maria.mailboxId, after, first: 1 })).toEqual(["INVALID_INPUT"]);
    const live = maria.client.subscribe(Feed, { mailboxId: maria.mailboxId, after });
    await expect(live.next()).rejects.toThrow("INVALID_INPUT");
    await live.close();
  },
);

test("`messageReceived` tells of what comes into the INBOX and of nothing else", async () => {
  const live = maria.client.subscribe(MessageArrivedDocument, { mailboxId: maria.mailboxId });
  const first = live.next();
  const said = await sayUntil(first, (n) => send(erin, [maria.address], { subject: `hello ${n}` }));
  const arrived = [(await first)?.messageReceived.subject];
  await send(maria, [erin.address], { subject: "sent, not received" });
  const [newest] = await fetchFolder(maria.client, maria.mailboxId);
  const messageIds = [newest?.id ?? ""];
  await maria.client.run(FlagDocument, { input: { messageIds } });
  await maria.client.run(MoveToFolderDocument, { input: { messageIds, folder: "ARCHIVE" } });
  await maria.client.run(MoveToFolderDocument, { input: { messageIds, folder: "INBOX" } });
  await maria.client.run(DeleteMessagesDocument, { input: { messageIds } });
  await send(erin, [maria.address], { subject: "the last" });
  while (arrived.at(-1) !== "the last") arrived.push((await live.next())?.messageReceived.subject);
  expect(arrived).toEqual([...said.slice(said.indexOf(arrived[0] ?? "")), "the last"]);
  await live.close();
});

test("state plus events equals a fresh fetch, whatever several people do at once", async () => {
  const team = await createTeam(app, "claims", [erin, dan]);
  const tom = await member(app, "tom");
  const everybody = [erin, dan, maria, tom];
  const addresses = [...everybody.map(({ address }) => address), team.address];
  const employees = [erin.address, dan.address, team.address];
  const replicas = await Promise.all([
    Replica.of(erin.client, erin.mailboxId, 11),
    Replica.of(on(beside, dan).client, dan.mailboxId, 12),
    Replica.of(maria.client, maria.mailboxId, 13),
    Replica.of(on(beside, tom).client, tom.mailboxId, 14),
    Replica.of(erin.client, team.mailboxId, 15),
    Replica.of(on(beside, dan).client, team.mailboxId, 16),
  ]);
  const act = async (person: SignedInPerson, places: Replica[], reaches: readonly string[], seed: number): Promise<void> => {
    const random = new Random(seed);
    for (let n = 0; n < 45; n += 1) {
      const place = random.pick(places);
      const known = random.shuffled([...place.rows.keys()]);
      const messageIds = known.slice(0, 1 + random.below(4));
      const [id] = messageIds;
      const to = random.shuffled(reaches).slice(0, 1 + random.below(3));
      if (id === undefined || random.below(3) === 0) {
        await send(person, to, { mailboxId: place.mailboxId, subject: `${person.userId} ${n}` });
        continue;
      }
      const message = { messageId: id, body: { text: "Well" }, idempotencyKey: randomUUID() };
      const [document, variables] = random.pick([
        [OpenMessageDocument, { id }],
        [ReplyDocument, { input: message }],
        [ForwardDocument, { input: { ...message, to: [random.pick(employees)] } }],
        [MarkReadDocument, { input: { messageIds } }],
        [MarkUnreadDocument, { input: { messageIds } }],
        [FlagDocument, { input: { messageIds } }],
        [UnflagDocument, { input: { messageIds } }],
        [MoveToFolderDocument, { input: { messageIds, folder: random.pick(["INBOX", "ARCHIVE", "TRASH"]) } }],
        [DeleteMessagesDocument, { input: { messageIds: [id] } }],
      ] as const);
      const { errors } = await person.client.send(print(document), variables);
      expect((errors ?? []).map(({ extensions }) => extensions?.code)).toEqual(errors ? ["NOT_FOUND"] : []); // somebody else may have deleted it
    }
  };
  const [erins, dans, marias, toms, erinsTeam, dansTeam] = replicas;
  if (!erins || !dans || !marias || !toms || !erinsTeam || !dansTeam) throw new Error("A replica is missing");
  await Promise.all([
    act(erin, [erins, erinsTeam], addresses, 21),
    act(on(beside, dan), [dans, dansTeam], addresses, 22),
    act(on(beside, maria), [marias], employees, 23),
    act(tom, [toms], employees, 24),
  ]);

  for (const replica of replicas) {
    await eventually(async () => expect(replica.state()).toEqual(await fetchWhole(replica)));
    await replica.close();
  }
  expect(dansTeam.state()).toEqual(erinsTeam.state());
  expect(new Set(replicas.flatMap(({ seen }) => [...seen]))).toEqual(new Set(["MessageReceived", "MessageChanged", "MessageRemoved"]));
}, 60_000);

/** What a client knows of a mailbox that applies events and never asks again; it reconnects now and then. */
class Replica {
  readonly rows = new Map<string, MessageRowFragment>();
  readonly seen = new Set<string>();
  #unreadCount: number;
  #cursor: string;
  #live: Subscription<{ mailboxChanged: FeedEvent }> | null = null;
  #closed = false;
  #following: Promise<void> = Promise.resolve();

  private constructor(
    readonly client: Client,
    readonly mailboxId: string,
    { unreadCount, cursor }: { unreadCount: number; cursor: string },
  ) {
    this.#unreadCount = unreadCount;
    this.#cursor = cursor;
  }

  /** Fetches a mailbox once and follows it from there. */
  static async of(client: Client, mailboxId: string, seed: number): Promise<Replica> {
    const replica = new Replica(client, mailboxId, await fetchState(client, mailboxId));
    for (const folder of folders) for (const row of await fetchFolder(client, mailboxId, folder)) replica.rows.set(row.id, row);
    replica.#following = replica.#follow(new Random(seed));
    return replica;
  }

  state() {
    return { unreadCount: this.#unreadCount, rows: [...this.rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#live?.close();
    await this.#following;
  }

  async #follow(random: Random): Promise<void> {
    while (!this.#closed) {
      this.#live = this.client.subscribe(Feed, { mailboxId: this.mailboxId, after: this.#cursor });
      for (let left = 1 + random.below(60); left > 0; left -= 1) {
        const next = await this.#live.next();
        if (next === null) break;
        this.#apply(next.mailboxChanged);
      }
      await this.#live.close();
    }
  }

  #apply(event: FeedEvent): void {
    if (sequenceOf(event.cursor) <= sequenceOf(this.#cursor)) throw new Error("An event came twice, or out of order");
    this.#cursor = event.cursor;
    this.#unreadCount = event.unreadCount;
    this.seen.add(event.__typename);
    if (event.__typename === "RefetchRequired") throw new Error(event.reason);
    if (event.__typename === "MessageRemoved") this.rows.delete(event.messageId);
    else if ((event.__typename === "MessageReceived") === this.rows.has(event.message.id)) throw new Error(`${event.__typename} does not fit what came before`);
    else this.rows.set(event.message.id, event.message);
  }
}

async function fetchWhole({ client, mailboxId }: Replica) {
  const pages = await Promise.all(folders.map((folder) => fetchFolder(client, mailboxId, folder)));
  const { unreadCount } = await fetchState(client, mailboxId);
  return { unreadCount, rows: pages.flat().sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

/** Reads so many events over many short connections, each going on after the last event of the one before. */
async function readInStints(client: Client, mailboxId: string, start: string, count: number, random: Random): Promise<FeedEvent[]> {
  const events: FeedEvent[] = [];
  while (events.length < count) {
    const after = events.at(-1)?.cursor ?? start;
    events.push(...(await take(client, mailboxId, after, Math.min(count - events.length, 1 + random.below(40)))));
  }
  return events;
}

/** The next events after a cursor. */
async function take(client: Client, mailboxId: string, after: string, count: number): Promise<FeedEvent[]> {
  const live = client.subscribe(Feed, { mailboxId, after });
  const events: FeedEvent[] = [];
  while (events.length < count) {
    const next = await live.next();
    if (next === null) throw new Error("The server ended the subscription");
    events.push(next.mailboxChanged);
  }
  await live.close();
  return events;
}

/** Sends one message after another until somebody who has just begun to listen hears one; returns their subjects. */
async function sayUntil(heard: Promise<unknown>, say: (n: number) => Promise<MessageRowFragment>): Promise<string[]> {
  let isHeard = false;
  void heard.then(() => (isHeard = true));
  const said: string[] = [];
  while (!isHeard) said.push((await say(said.length)).subject);
  return said;
}

function subjectOf(event: FeedEvent | undefined): string | undefined {
  return event && "message" in event ? event.message.subject : undefined;
}

/** The same person, talking to another process. */
function on(other: TestApp, person: SignedInPerson): SignedInPerson {
  return { ...person, client: new Client(other.url, person.client.token) };
}
