import { DEVICE_DAYS } from "../../src/accounts/known-device.ts";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { Client as DatabaseClient } from "pg";
import { DraftsDocument, MarkReadDocument, MoveToFolderDocument, SaveDraftWholeDocument } from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { after, DAY, MINUTE, SECOND } from "../../src/clock.ts";
import { createCtx, signedIn } from "../../src/context.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { sendMessage as sendDirectly } from "../../src/messages/send-message.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { forgetAttempts } from "../support/signing-in.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { Feed, type FeedEvent, fetchChanges } from "../support/feed.ts";
import { deliver, forwardMessage, messagesOf, newestOf, openMessage, replyToMessage, sent } from "../support/mail.ts";
import { createPerson, createTeam, employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { Random } from "../support/random.ts";
import { sql } from "../support/sql.ts";
import { fetchFolder, fetchState, folders, send } from "../support/writing.ts";

/** Years go by in these tests; nobody shall have to sign in again for it. */
const session = { idleMinutes: 10_000 * 24 * 60, hours: 10_000 * 24 };

let app: TestApp;
let beside: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session } });
  beside = await startTestApp({ beside: app, config: { session } });
  [erin, maria] = await Promise.all([employee(app, "erin"), member(app, "maria")]);
});

afterAll(async () => {
  await beside.close();
  await app.close();
});

test("every way to a message works through its last second; at the instant it expires, and after, each answers as for one that never was", async () => {
  const { cursor } = await fetchState(maria.client, maria.mailboxId);
  const { id, thread } = await deliver(erin, maria, { subject: "Expiring", attachmentIds: [await erin.client.uploaded("a.txt", "a file")] });
  const unanswered = await deliver(erin, maria);
  const expiry = after(app.clock.now(), RETENTION_DAYS * DAY);
  const { attachments } = await openMessage(maria, id);
  app.clock.moveTo(after(expiry, -DAY));
  const target: Target = { message: id, thread: thread.id, attachment: attachments[0]?.id ?? "", draft: await savedDraft(id), after: cursor };
  const never: Target = {
    message: encodeId("Message", maria.mailboxKey, randomUUID()),
    thread: encodeId("Thread", maria.mailboxKey, randomUUID()),
    attachment: encodeId("Attachment", randomUUID()),
    draft: await savedDraft(null),
    after: (await fetchState(maria.client, maria.mailboxId)).cursor,
  };

  app.clock.moveTo(after(expiry, -SECOND));
  const before = await outcomes(maria.client, target);
  expect(new Set(Object.values(before))).toEqual(new Set(["OK"]));
  const neverWas = await outcomes(maria.client, never);
  expect(Object.keys(neverWas)).toEqual(Object.keys(before));
  expect(Object.values(neverWas)).not.toContain("OK");
  const byThread = ["query ($id: ID!) { thread(id: $id) { id } }", "query ($id: ID!) { node(id: $id) { id } }"];
  for (const query of byThread) expect(await outcome(maria.client, query, { id: unanswered.thread.id })).toBe("OK");
  const deletion = "mutation ($input: DeleteMessagesInput!) { deleteMessages(input: $input) { ... on Problem { code } } }";
  const other = await deliver(erin, maria);
  expect(await outcome(maria.client, deletion, { input: { messageIds: [other.id] } })).toBe("OK");
  for (const instant of [expiry, after(expiry, SECOND), after(expiry, 100 * DAY)]) {
    app.clock.moveTo(instant);
    expect(await outcomes(maria.client, target)).toEqual(neverWas);
    expect(await outcome(maria.client, deletion, { input: { messageIds: [target.message] } })).toBe("NOT_FOUND");
    for (const query of byThread) expect(await outcome(maria.client, query, { id: unanswered.thread.id })).toBe("NOT_FOUND");
  }
  expect(await sql(app, "select from messages where expires_at <= $1", [expiry])).toHaveLength(2); // nobody has swept
  await clear();
});

test("a reply and a forward live on by their own date, files and all, and say nothing of what they came from", async () => {
  const bytes = randomBytes(10_000);
  const original = await deliver(erin, maria, { subject: "Old", attachmentIds: [await erin.client.uploaded("a.bin", bytes)] });
  await openMessage(maria, original.id);
  app.clock.advance(DAY);
  const reply = sent(await replyToMessage(maria, original.id));
  const forwarded = sent(await forwardMessage(maria, original.id, { to: [erin.address] }));
  expect((await openMessage(maria, reply.id)).inReplyTo).toEqual({ id: original.id });
  app.clock.advance((RETENTION_DAYS - 1) * DAY);
  for (const swept of [false, true]) {
    if (swept) await expireAndSweep();
    expect((await openMessage(maria, reply.id)).inReplyTo).toBeNull();
    expect((await openMessage(erin, (await newestOf(erin)).id)).body.text).toContain("Some words.");
    const [file] = (await openMessage(maria, forwarded.id)).attachments;
    expect(Buffer.from(await (await maria.client.download(file?.downloadUrl ?? "")).arrayBuffer())).toEqual(bytes);
    expect((await messagesOf(maria, { folder: "SENT" })).map(({ subject }) => subject).sort()).toEqual(["Fwd: Old", "Re: Old"]);
  }
  app.clock.advance(DAY);
  await expireAndSweep();
  expect(await files()).toEqual([]);
});

test("unread counts equal what can be listed, to the millisecond, swept or not, and subscribers on both processes are told of each removal", async () => {
  const random = new Random(7);
  const [dan, tom] = await Promise.all([employee(app, "dan"), createPerson(app, "tom")]);
  const team = await createTeam(app, "claims", [erin, dan]);
  const begun = app.clock.now();
  for (let n = 0; n < 8; n += 1) {
    app.clock.moveTo(after(begun, n * MINUTE));
    await send(maria, [team.address, erin.address], { subject: `No. ${n}` });
    await send(dan, [tom.address]);
  }
  const rows = await fetchFolder(erin.client, team.mailboxId);
  await erin.client.run(MarkReadDocument, { input: { messageIds: [rows[1]?.id ?? "", rows[5]?.id ?? ""] } });
  await erin.client.run(MoveToFolderDocument, { input: { messageIds: [rows[2]?.id ?? ""], folder: "TRASH" } });
  const { cursor } = await fetchState(erin.client, team.mailboxId);
  const lives = [app, beside].map(({ url }) => new Client(url, erin.client.token).subscribe(Feed, { mailboxId: team.mailboxId, after: cursor }));

  const counts: number[] = [];
  for (let n = 0; n < 8; n += 1) {
    for (const offset of [-1, 0, 1]) {
      app.clock.moveTo(after(begun, n * MINUTE + RETENTION_DAYS * DAY + offset));
      if (random.below(3) === 0) await expireMessages(app.ctx());
      const unread = (await fetchFolder(erin.client, team.mailboxId)).filter(({ isRead }) => !isRead).length;
      const { unreadCount } = await fetchState(erin.client, team.mailboxId);
      expect(unreadCount).toBe(unread);
      counts.push(unreadCount);
    }
  }
  // Eight were received; of No. 2, 5 and 6 two are read and one is in the trash.
  expect(counts).toEqual([5, 4, 4, 4, 3, 3, 3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
  await expireMessages(app.ctx());
  for (const live of lives) {
    const removed: string[] = [];
    for (const _ of rows) {
      const event = (await live.next())?.mailboxChanged;
      if (event?.__typename === "MessageRemoved") removed.push(event.messageId);
      if (removed.length === rows.length) expect(event?.unreadCount).toBe(0);
    }
    expect(removed.sort()).toEqual(rows.map(({ id }) => id).sort());
    await live.close();
  }
  await clear();
});

test("in the end every table but the ledger is as empty as before, and so is the blob store", async () => {
  const own = await startTestApp();
  const people = await Promise.all([createPerson(own, "eva", AccountKind.EMPLOYEE), createPerson(own, "max")]);
  const { mailboxKey } = await createTeam(own, "appeals", people.slice(0, 1));
  await own.runJobsOnce(); // so that the queue knows its tasks
  const empty = await tables(own);
  expect(empty).toMatchObject({
    messages: 0,
    copies: 0,
    recipients: 0,
    drafts: 0,
    attachments: 0,
    sessions: 0,
    idempotency_keys: 0,
    outbox: 0,
    _private_jobs: 0,
  });

  const [eva, max] = await Promise.all(people.map(async (person) => ({ ...person, client: await Client.signIn(own.url, person.userId, PASSWORD) })));
  if (!eva || !max) throw new Error("Somebody is missing");
  const letter = await deliver(eva, max, { attachmentIds: [await eva.client.uploaded("a.txt", "on a message")] });
  const draft = { mailboxId: max.mailboxId, body: { text: "to be sent some day" } };
  await openMessage(max, letter.id);
  sent(await replyToMessage(max, letter.id, { attachmentIds: [await max.client.uploaded("b.txt", "on a reply")] }));
  sent(await forwardMessage(max, letter.id, { to: [eva.address, "appeals@insurer.example"] }));
  await max.client.run(SaveDraftWholeDocument, {
    input: { ...draft, replyTo: letter.id, attachmentIds: [await max.client.uploaded("c.txt", "on an answer")] },
  });
  await max.client.run(SaveDraftWholeDocument, { input: { ...draft, forwardOf: letter.id } });
  await max.client.run(SaveDraftWholeDocument, { input: { ...draft, attachmentIds: [await max.client.uploaded("d.txt", "on a draft")] } });
  await max.client.uploaded("e.txt", "on nothing");
  await sql(own, "update attachments set stored_at = null where message_id is null and draft_id is null"); // as a crash leaves it
  await max.client.uploaded("f.txt", "on nothing");
  const full = await tables(own);
  expect(full).toMatchObject({ messages: 3, drafts: 3, sessions: 2, idempotency_keys: 3 });
  expect(await files(own)).toHaveLength(6);

  const [drafts] = await sql<{ ids: string[] }>(own, "select array_agg(id) as ids from drafts where reply_to is not null or forward_of is not null");
  own.clock.advance(RETENTION_DAYS * DAY);
  await expireMessages(own.ctx());
  expect(await sql(own, "select from drafts where id = any ($1)", [drafts?.ids])).toHaveLength(0);
  await sweep(own.ctx());
  own.clock.advance(DEVICE_DAYS * DAY); // Longer than anything else is kept
  await forgetAttempts(own);
  await sweep(own.ctx());
  await own.runJobsOnce();
  expect({ ...(await tables(own)), events: 0 }).toEqual({ ...empty, events: 0 });
  expect(await files(own)).toEqual([]);
  expect(await sql(own, "select from mailboxes where unread_count <> 0")).toHaveLength(0);
  expect(await sql(own, "select from events where mailbox_id = $1 and action = 'message.expired'", [mailboxKey])).toHaveLength(1);
  await own.close();
});

test("the sweep spares what is young: uploads of a day, drafts of half a year, keys of a day, sessions of a month", async () => {
  const waiting = await maria.client.uploaded("a.txt", "waiting");
  await maria.client.run(SaveDraftWholeDocument, { input: { mailboxId: maria.mailboxId } });
  const idempotencyKey = randomUUID();
  const first = await send(erin, [maria.address], { idempotencyKey });
  const begun = app.clock.now();
  const there = async () => ({
    upload: (await maria.client.download(`/attachments/${waiting}`)).status === 200,
    draft: (await maria.client.run(DraftsDocument, { mailboxId: maria.mailboxId, first: 10, after: null })).mailbox?.drafts.edges.length === 1,
    key: (await sql(app, "select from idempotency_keys where key = $1", [idempotencyKey])).length === 1,
  });
  app.clock.moveTo(after(begun, DAY - SECOND));
  await sweep(app.ctx());
  expect(await there()).toEqual({ upload: true, draft: true, key: true });
  expect((await send(erin, [maria.address], { idempotencyKey })).id).toBe(first.id);
  app.clock.moveTo(after(begun, DAY + SECOND));
  await sweep(app.ctx());
  expect(await there()).toEqual({ upload: false, draft: true, key: false });
  app.clock.moveTo(after(begun, RETENTION_DAYS * DAY - SECOND));
  await sweep(app.ctx());
  expect(await there()).toMatchObject({ draft: true });
  app.clock.moveTo(after(begun, RETENTION_DAYS * DAY));
  expect(await there()).toMatchObject({ draft: false }); // with no sweep
  await clear();
  expect(await sql(app, "select from drafts")).toHaveLength(0);
});

test("a download that had begun finishes, though its message expires and its bytes are removed meanwhile; a new one finds nothing", async () => {
  const bytes = randomBytes(24_000_000);
  const { id } = await deliver(erin, maria, { attachmentIds: [await erin.client.uploaded("large.bin", bytes)] });
  const [file] = (await openMessage(maria, id)).attachments;
  app.clock.advance(RETENTION_DAYS * DAY - SECOND);
  const begun = await maria.client.download(file?.downloadUrl ?? "");
  const reader = begun.body?.getReader();
  const received = createHash("sha256").update((await reader?.read())?.value ?? "");

  app.clock.advance(SECOND);
  expect((await maria.client.download(file?.downloadUrl ?? "")).status).toBe(404);
  await expireAndSweep();
  expect(await files()).toEqual([]);
  for (let part; (part = await reader?.read()) && !part.done;) received.update(part.value);
  expect(received.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
});

test("whoever expires may be killed anywhere and others may do the same work: all goes, nothing live is touched, each mailbox is told once", async () => {
  const [ann, ben] = await Promise.all([createPerson(app, "ann"), createPerson(app, "ben")]);
  const asErin = signedIn(
    createCtx(app.services, { viewer: { accountId: erin.accountId, sessionId: "", isEmployee: true, isAdministrator: false, isConfined: false } }),
  );
  const message = { mailboxId: erin.mailboxKey, to: [ann.address, ben.address], cc: [], body: { text: "" }, priority: null, attachmentIds: [], draftId: null };
  const count = 100;
  for (let n = 0; n < count; n += 1) await sendDirectly(asErin, { ...message, subject: `No. ${n}`, idempotencyKey: randomUUID() });
  for (let n = 0; n < 5; n += 1) await send(erin, [ann.address], { attachmentIds: [await erin.client.uploaded(`${n}.txt`, "expires")] });
  const expiry = after(app.clock.now(), RETENTION_DAYS * DAY);
  app.clock.advance(DAY);
  const live = await deliver(erin, maria, { attachmentIds: [await erin.client.uploaded("live.txt", "live")] });
  app.clock.moveTo(expiry);
  const seen = (await sql<{ at: string }>(app, "select max(id::text) as at from events"))[0]?.at;
  const expired = async (): Promise<number> => (await sql(app, "select from events where action = 'message.expired' and id::text > $1", [seen])).length;
  const copies = async (): Promise<number> => (await sql(app, "select from copies where expires_at <= $1", [expiry])).length;
  const all = await copies();
  expect(all).toBe(3 * count + 2 * 5);

  const expirers = await Promise.all(Array.from({ length: 3 }, () => startExpirer()));
  const [first, second, third] = expirers;
  const blocker = new DatabaseClient({ connectionString: app.databaseUrl });
  await blocker.connect();
  await blocker.query("begin");
  await blocker.query("select from mailboxes where id = $1 for update", [erin.mailboxKey]);
  first?.stdin?.write("go\n");
  const waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'with gone%'";
  await eventually(async () => expect(await sql(app, waiting)).toHaveLength(1)); // amid its batch
  await kill(first);
  await blocker.query("commit");
  await blocker.end();
  await eventually(async () => expect(await sql(app, waiting)).toHaveLength(0));

  for (const [expirer, share] of [
    [second, 0.2],
    [third, 0.5],
  ] as const) {
    expirer?.stdin?.write("go\n");
    await eventually(async () => expect(await expired()).toBeGreaterThan(share * all), 10_000);
    await kill(expirer);
    expect((await copies()) + (await expired())).toBe(all); // each batch went whole or not at all
  }
  expect(await copies()).toBeGreaterThan(0);

  await eventually(async () => {
    await Promise.all([expireMessages(app.ctx(), undefined, { messages: 3, copies: 5 }), expireMessages(beside.ctx())]);
    expect(await sql(app, "select from messages where expires_at <= $1", [expiry])).toHaveLength(0);
  });
  expect(await copies()).toBe(0);
  expect(await sql(app, "select subject_id from events where action = 'message.expired' and id::text > $1 group by subject_id", [seen])).toHaveLength(all);
  expect(await expired()).toBe(all);
  await app.runJobsOnce();
  expect(await files()).toHaveLength(1);
  expect((await openMessage(maria, live.id)).attachments).toHaveLength(1);
  expect(await sql(app, "select from mailboxes where unread_count <> 0")).toHaveLength(0);
  await clear();
}, 60_000);

test("no transaction takes more than its batch, however many got the message", async () => {
  const people = await Promise.all(Array.from({ length: 12 }, (_, n) => createPerson(app, `one-of-many-${n}`)));
  await send(
    erin,
    people.map(({ address }) => address),
  );
  for (let n = 0; n < 5; n += 1) await send(erin, [maria.address]);
  app.clock.advance(RETENTION_DAYS * DAY);
  const [before] = await sql<{ last: string }>(app, "select max(id::text) as last from events");
  expect(await expireMessages(app.ctx(), undefined, { messages: 2, copies: 4 })).toBe(6);
  const transactions = await sql<{ copies: number }>(
    app,
    "select count(*)::int as copies from events where action = 'message.expired' and id::text > $1 group by xmin::text",
    [before?.last],
  );
  expect(transactions.reduce((sum, { copies }) => sum + copies, 0)).toBe(13 + 10);
  expect(Math.max(...transactions.map(({ copies }) => copies))).toBe(4);
});

/** Saves a draft of Maria's that answers this message, or none. */
async function savedDraft(replyTo: string | null): Promise<string> {
  const { saveDraft } = await maria.client.run(SaveDraftWholeDocument, { input: { mailboxId: maria.mailboxId, replyTo } });
  if (!("draft" in saveDraft)) throw new Error("The draft was refused");
  return saveDraft.draft.id;
}

/** What the outcomes are asked for. */
interface Target {
  readonly message: string;
  readonly thread: string;
  readonly attachment: string;
  /** A draft that answers the message. */
  readonly draft: string;
  /** A place in the feed from before it came. */
  readonly after: string;
}

/** Tries every way to a message; tells of each whether it worked: OK, absent, or the code it was refused with. */
async function outcomes(client: Client, { message, thread, attachment, draft, after }: Target): Promise<Record<string, string>> {
  const messageIds = [message];
  const words = { body: { text: "Well" }, idempotencyKey: randomUUID() };
  const asked = {
    message: ["query ($id: ID!) { message(id: $id) { id } }", { id: message }],
    body: ["query ($id: ID!) { message(id: $id) { body { text } recipients { address } attachments { fileName } } }", { id: message }],
    node: ["query ($id: ID!) { node(id: $id) { id } }", { id: message }],
    nodes: ["query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { ids: messageIds }],
    "node of the attachment": ["query ($id: ID!) { node(id: $id) { id } }", { id: attachment }],
    markUnread: ["mutation ($input: MarkUnreadInput!) { markUnread(input: $input) { ... on Problem { code } } }", { input: { messageIds } }],
    markRead: ["mutation ($input: MarkReadInput!) { markRead(input: $input) { ... on Problem { code } } }", { input: { messageIds } }],
    flag: ["mutation ($input: FlagInput!) { flag(input: $input) { ... on Problem { code } } }", { input: { messageIds } }],
    unflag: ["mutation ($input: UnflagInput!) { unflag(input: $input) { ... on Problem { code } } }", { input: { messageIds } }],
    move: ["mutation ($input: MoveToFolderInput!) { moveToFolder(input: $input) { ... on Problem { code } } }", { input: { messageIds, folder: "INBOX" } }],
    reply: [
      "mutation ($input: ReplyToMessageInput!) { replyToMessage(input: $input) { ... on Problem { code } } }",
      { input: { messageId: message, ...words } },
    ],
    forward: [
      "mutation ($input: ForwardMessageInput!) { forwardMessage(input: $input) { ... on Problem { code } } }",
      { input: { messageId: message, to: [erin.address], ...words, idempotencyKey: randomUUID() } },
    ],
    "draft of an answer": [
      "mutation ($input: SaveDraftInput!) { saveDraft(input: $input) { ... on Problem { code } } }",
      { input: { mailboxId: maria.mailboxId, replyTo: message } },
    ],
    "draft of a forward": [
      "mutation ($input: SaveDraftInput!) { saveDraft(input: $input) { ... on Problem { code } } }",
      { input: { mailboxId: maria.mailboxId, forwardOf: message } },
    ],
  } as const;
  const found: Record<string, string> = {};
  for (const [name, [query, variables]] of Object.entries(asked)) found[name] = await outcome(client, query, variables);

  const isHere = (ids: readonly string[]): string => (ids.includes(message) ? "OK" : "absent");
  for (const filter of [null, { hasAttachments: true }, { from: erin.address }, { unread: false }, { since: "2020-01-01T00:00:00Z" }]) {
    found[`list ${JSON.stringify(filter)}`] = isHere((await messagesOf(maria, { filter })).map(({ id }) => id));
  }
  const { thread: conversation } = (
    await client.send<{ thread: { messages: { edges: { node: { id: string } }[] } } | null }>(
      "query ($id: ID!) { thread(id: $id) { messages(first: 10) { edges { node { id } } } } }",
      { id: thread },
    )
  ).data ?? { thread: null };
  found["list of the thread"] = isHere(conversation?.messages.edges.map(({ node }) => node.id) ?? []);
  const { data } = await client.send<{ draft: { replyTo: { id: string } | null } }>("query ($id: ID!) { draft(id: $id) { replyTo { id } } }", { id: draft });
  found["what a draft answers"] = isHere([data?.draft.replyTo?.id ?? ""]);
  for (const [name, headers] of [
    ["download", {}],
    ["part of a download", { range: "bytes=1-2" }],
  ] as const) {
    const { status } = await client.download(`/attachments/${attachment}`, headers);
    found[name] = status < 300 ? "OK" : String(status);
  }
  const { id: last } = await deliver(erin, maria, { subject: "the last" });
  const shows = ({ events }: { events: FeedEvent[] }): string[] => events.map((event) => ("message" in event ? event.message.id : ""));
  found.changes = isHere(shows(await fetchChanges(client, maria.mailboxId, after, 100)));
  const live = client.subscribe(Feed, { mailboxId: maria.mailboxId, after });
  const events: FeedEvent[] = [];
  while (shows({ events }).at(-1) !== last) {
    const event = (await live.next())?.mailboxChanged;
    if (event) events.push(event);
  }
  await live.close();
  found.replay = isHere(shows({ events }));
  return found;
}

/** OK, or the code of the refusal. */
async function outcome(client: Client, query: string, variables: object): Promise<string> {
  const { data, errors } = await client.send(query, variables);
  const code = errors?.[0]?.extensions?.code;
  if (typeof code === "string") return code;
  const [answer] = Object.values(data ?? {});
  return typeof answer === "object" && answer !== null && "code" in answer ? String(answer.code) : "OK";
}

/** Does what the schedule does. */
async function expireAndSweep(): Promise<void> {
  await expireMessages(app.ctx());
  await sweep(app.ctx());
  await app.runJobsOnce();
}

/** Lets everything expire, for the next test to begin with empty mailboxes. */
async function clear(): Promise<void> {
  app.clock.advance(RETENTION_DAYS * DAY);
  await expireAndSweep();
  for (const folder of folders) expect(await fetchFolder(maria.client, maria.mailboxId, folder)).toEqual([]);
}

/** The rows of every table, by its name. */
async function tables(of: TestApp): Promise<Record<string, number>> {
  const names = await sql<{ schema: string; name: string }>(
    of,
    "select schemaname as schema, tablename as name from pg_tables where schemaname in ('public', 'graphile_worker') order by 2",
  );
  const counts = await Promise.all(
    names.map(async ({ schema, name }) => [name, (await sql<{ n: number }>(of, `select count(*)::int as n from ${schema}.${name}`))[0]?.n ?? -1] as const),
  );
  return Object.fromEntries(counts);
}

/** The files in the blob store. */
async function files(of = app): Promise<string[]> {
  const entries = await readdir(path.join(of.dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** A process that begins to expire messages when it is told to. */
async function startExpirer(): Promise<ChildProcess> {
  const script = path.join(import.meta.dirname, "..", "support", "expirer.ts");
  const expirer = spawn(process.execPath, ["--import", "tsx", script, app.databaseUrl, app.dataDir, app.clock.now().toISOString()], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(expirer.stdout, "data");
  return expirer;
}

async function kill(process: ChildProcess | undefined): Promise<void> {
  if (process === undefined) throw new Error("There is no such process");
  const exited = once(process, "exit");
  process.kill("SIGKILL");
  expect(await exited).toEqual([null, "SIGKILL"]);
}
