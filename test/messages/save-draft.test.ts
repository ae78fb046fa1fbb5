import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { parse } from "graphql";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { Client } from "pg";
import {
  DiscardDraftDocument,
  type DraftRowFragment,
  DraftsDocument,
  SaveDraftWholeDocument,
  type SaveDraftInput,
  type SaveDraftWholeMutation,
} from "../../operations/generated/operations.ts";
import { DAY, SECOND } from "../../src/clock.ts";
import { decodeOwnedId, encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { HolderRole } from "../../src/mailboxes/mailbox-holder.ts";
import { letIn } from "../../src/mailboxes/open-mailbox.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { deliver, forwardMessage, newestOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let frank: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({
    limits: { maxDrafts: 12, maxRecipients: 4, maxAttachments: 3, maxMessageBytes: 2000 },
    config: { session: { idleMinutes: 500_000, hours: 10_000 } },
  });
  [erin, frank, maria] = [await employee(app, "erin"), await employee(app, "frank"), await member(app, "maria")];
});

beforeEach(() => app.clock.advance(SECOND));

afterEach(async () => {
  for (const { id } of await draftsOf(erin)) await erin.client.run(DiscardDraftDocument, { input: { draftId: id } });
});

afterAll(() => app.close());

test("a draft is kept as it was typed, addresses unchecked, and no message goes anywhere", async () => {
  const draft = saved(
    await saveDraft(erin, {
      to: ["not an address", maria.address],
      cc: ["  Half <half@"],
      subject: "So\r\nfar",
      body: { text: "Dear", html: "<p>Dear<script>x</script></p>" },
      priority: "URGENT",
    }),
  );
  const kept = {
    id: draft.id,
    savedAt: app.clock.now().toISOString(),
    to: ["not an address", maria.address],
    cc: ["  Half <half@"],
    subject: "So far",
    body: { text: "Dear", html: "<p>Dear</p>" },
    priority: "URGENT",
    attachments: [],
    replyTo: null,
    forwardOf: null,
  };
  expect(draft).toEqual(kept);
  expect(await draftsOf(erin)).toEqual([kept]);
  expect(await draftOf(erin, draft.id)).toMatchObject({ subject: "So far", expiresAt: new Date(app.clock.now().getTime() + 180 * DAY).toISOString() });
});

test("what is left out is empty", async () => {
  expect(saved(await saveDraft(erin, {}))).toMatchObject({ to: [], cc: [], subject: "", body: { text: "", html: null }, priority: "NORMAL", attachments: [] });
});

test("saving over a draft replaces all of it and moves it to the top", async () => {
  const first = saved(await saveDraft(erin, { subject: "One", to: [maria.address], priority: "HIGH" }));
  app.clock.advance(SECOND);
  const second = saved(await saveDraft(erin, { subject: "Two" }));
  expect((await draftsOf(erin)).map(({ subject }) => subject)).toEqual(["Two", "One"]);
  app.clock.advance(SECOND);
  const again = saved(await saveDraft(erin, { draftId: first.id, subject: "One, again" }));
  expect(again).toMatchObject({ id: first.id, subject: "One, again", to: [], priority: "NORMAL", savedAt: app.clock.now().toISOString() });
  expect((await draftsOf(erin)).map(({ id }) => id)).toEqual([first.id, second.id]);
});

describe("files of a draft", () => {
  test("come and go, stand in the order given, and what is let go loses its bytes", async () => {
    const [a, b, c] = [await erin.client.uploaded("a.txt", "a"), await erin.client.uploaded("b.txt", "b"), await erin.client.uploaded("c.txt", "c")];
    const { id: draftId } = saved(await saveDraft(erin, { attachmentIds: [b, a] }));
    expect(await filesOf(erin, draftId)).toEqual(["b.txt", "a.txt"]);
    saved(await saveDraft(erin, { draftId, attachmentIds: [c, b] }));
    expect(await filesOf(erin, draftId)).toEqual(["c.txt", "b.txt"]);
    expect((await erin.client.download(`/attachments/${a}`)).status).toBe(404);
    expect(await saveDraft(erin, { draftId, attachmentIds: [a] })).toMatchObject({ code: "ATTACHMENT_NOT_READY" });
    expect(await filesOf(erin, draftId)).toEqual(["c.txt", "b.txt"]);
    await app.runJobsOnce();
    expect(await blobsOnDisk()).toHaveLength(2);

    await erin.client.run(DiscardDraftDocument, { input: { draftId } });
    expect((await erin.client.download(`/attachments/${c}`)).status).toBe(404);
    await app.runJobsOnce();
    expect(await blobsOnDisk()).toEqual([]);
  });

  test("named twice are one", async () => {
    const a = await erin.client.uploaded("a.txt", "a");
    const { id } = saved(await saveDraft(erin, { attachmentIds: [a, a] }));
    expect(await filesOf(erin, id)).toEqual(["a.txt"]);
  });

  test("cannot be a stranger's, nor another draft's", async () => {
    const theirs = await frank.client.uploaded("theirs.txt", "x");
    const other = await erin.client.uploaded("other.txt", "x");
    saved(await saveDraft(erin, { attachmentIds: [other] }));
    for (const id of [theirs, other, encodeId("Attachment", newId(START))]) {
      expect(await saveDraft(erin, { attachmentIds: [id] })).toMatchObject({ code: "ATTACHMENT_NOT_READY", field: "attachmentIds" });
    }
    expect(await draftsOf(erin)).toHaveLength(1);
  });
});

test("drafts are paged from either end, and pages join without gap or overlap", async () => {
  const subjects: string[] = [];
  for (let n = 0; n < 7; n += 1) {
    if (n !== 3 && n !== 4) app.clock.advance(SECOND); // Some are saved in the same instant.
    saved(await saveDraft(erin, { subject: `${n}` }));
  }
  const all = await page(erin, { first: 100 });
  subjects.push(...all.subjects);
  expect([...subjects].sort()).toEqual(["0", "1", "2", "3", "4", "5", "6"]);
  expect([subjects[0], subjects.at(-1)]).toEqual(["6", "0"]);
  expect(all.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false });
  for (const size of [1, 2, 3, 7]) {
    const forwards: string[] = [];
    for (let after: string | null = null; ;) {
      const { subjects: some, pageInfo }: Page = await page(erin, { first: size, after });
      forwards.push(...some);
      expect(pageInfo.hasPreviousPage).toBe(after !== null);
      if (!pageInfo.hasNextPage) break;
      after = pageInfo.endCursor;
    }
    expect(forwards).toEqual(subjects);
    const backwards: string[] = [];
    for (let before: string | null = null; ;) {
      const { subjects: some, pageInfo }: Page = await page(erin, { last: size, before });
      backwards.unshift(...some);
      expect(pageInfo.hasNextPage).toBe(before !== null);
      if (!pageInfo.hasPreviousPage) break;
      before = pageInfo.startCursor;
    }
    expect(backwards).toEqual(subjects);
  }
});

test("a cursor that is not of this list is refused", async () => {
  saved(await saveDraft(erin, {}));
  const cursor = (text: string): string => Buffer.from(text).toString("base64url");
  const uuid = newId(START);
  expect((await page(erin, { first: 1, after: cursor(`draft 99999999999999 ${uuid}`) })).subjects).toEqual([""]);
  for (const after of [
    "",
    "x",
    cursor(`message ${uuid}`),
    cursor(`draft ${uuid}`),
    cursor(`draft 1 ${uuid}'`),
    cursor(`draft -1 ${uuid}`),
    cursor(`draft ${"9".repeat(30)} ${uuid}`),
  ]) {
    expect(await erin.client.refusals(PAGE, { mailboxId: erin.mailboxId, first: 1, after })).toEqual(["INVALID_INPUT"]);
  }
});

test("discarding removes a draft once", async () => {
  const { id: draftId } = saved(await saveDraft(erin, {}));
  expect(await erin.client.run(DiscardDraftDocument, { input: { draftId } })).toEqual({ discardDraft: { draftId } });
  expect(await draftsOf(erin)).toEqual([]);
  expect(await erin.client.run(DiscardDraftDocument, { input: { draftId } })).toMatchObject({ discardDraft: { code: "NOT_FOUND", field: "draftId" } });
  expect(await saveDraft(erin, { draftId, subject: "x" })).toMatchObject({ code: "NOT_FOUND", field: "draftId" });
  expect(await sendMessage(erin, { to: [maria.address], draftId })).toMatchObject({ code: "NOT_FOUND", field: "draftId" });
});

describe("sending a draft", () => {
  test("consumes it, and its files go along in the order given", async () => {
    const [a, b] = [await erin.client.uploaded("a.txt", "a"), await erin.client.uploaded("b.txt", "b")];
    const { id: draftId } = saved(await saveDraft(erin, { subject: "Ready", to: [maria.address], attachmentIds: [a, b] }));
    const more = await erin.client.uploaded("more.txt", "more");
    const own = sent(await sendMessage(erin, { to: [maria.address], subject: "Ready", draftId, attachmentIds: [more, b, a] }));
    expect((await openMessage(erin, own.id)).attachments.map(({ fileName }) => fileName)).toEqual(["more.txt", "b.txt", "a.txt"]);
    expect(await draftsOf(erin)).toEqual([]);
    expect(await draftOf(erin, draftId)).toBeNull();
  });

  test("lets go of files that were on it and are not sent", async () => {
    const [a, b] = [await erin.client.uploaded("a.txt", "a"), await erin.client.uploaded("b.txt", "b")];
    const { id: draftId } = saved(await saveDraft(erin, { attachmentIds: [a, b] }));
    sent(await sendMessage(erin, { to: [maria.address], draftId, attachmentIds: [a] }));
    expect((await erin.client.download(`/attachments/${a}`)).status).toBe(200);
    expect((await erin.client.download(`/attachments/${b}`)).status).toBe(404);
  });

  test("leaves it, with its files, where the message is refused", async () => {
    const a = await maria.client.uploaded("a.txt", "a");
    const { id: draftId } = saved(await saveDraft(maria, { attachmentIds: [a] }));
    expect(await sendMessage(maria, { to: ["lawyer@office.example"], draftId, attachmentIds: [a] })).toMatchObject({ code: "RECIPIENT_NOT_EMPLOYEE" });
    expect(await filesOf(maria, draftId)).toEqual(["a.txt"]);
    sent(await sendMessage(maria, { to: [erin.address], draftId, attachmentIds: [a] }));
    expect(await draftsOf(maria)).toEqual([]);
  });

  test("does not take files of a draft that is not named", async () => {
    const a = await erin.client.uploaded("a.txt", "a");
    const { id } = saved(await saveDraft(erin, { attachmentIds: [a] }));
    expect(await sendMessage(erin, { to: [maria.address], attachmentIds: [a] })).toMatchObject({ code: "ATTACHMENT_NOT_READY" });
    expect(await filesOf(erin, id)).toEqual(["a.txt"]);
  });

  test("works for an answer and for what is passed on as well", async () => {
    const { id } = await deliver(maria, erin, { subject: "Question" });
    await openMessage(erin, id);
    const answer = saved(await saveDraft(erin, { replyTo: id, body: { text: "So far", html: null } }));
    expect(answer.replyTo).toEqual({ id });
    sent(await replyToMessage(erin, id, { draftId: answer.id }));
    const passedOn = saved(await saveDraft(erin, { forwardOf: id }));
    expect(passedOn.forwardOf).toEqual({ id });
    sent(await forwardMessage(erin, id, { to: [frank.address], draftId: passedOn.id }));
    expect(await draftsOf(erin)).toEqual([]);
  });
});

test("a draft that is sent while it is being saved stays sent", async () => {
  const { id: draftId } = saved(await saveDraft(erin, { subject: "Almost" }));
  const { uuid } = decodeOwnedId("Draft", draftId);
  const sender = new Client({ connectionString: app.databaseUrl });
  await sender.connect();
  try {
    await sender.query("begin");
    await sender.query("delete from drafts where id = $1", [uuid]);
    const saving = saveDraft(erin, { draftId, subject: "Saved by itself" });
    await eventually(async () =>
      expect(await sql(app, "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")).toHaveLength(1),
    );
    await sender.query("commit");
    expect(await saving).toMatchObject({ code: "NOT_FOUND", field: "draftId" });
  } finally {
    await sender.end();
  }
  expect(await draftsOf(erin)).toEqual([]);
});

test("a stranger's draft is like one that never was, for everything that can be done with it", async () => {
  const { id: draftId } = saved(await saveDraft(erin, { subject: "Mine" }));
  const { uuid } = decodeOwnedId("Draft", draftId);
  const random = encodeId("Draft", frank.mailboxKey, newId(START));
  for (const id of [draftId, encodeId("Draft", frank.mailboxKey, uuid), random]) {
    expect(await frank.client.send("query ($id: ID!) { draft(id: $id) { id subject } }", { id })).toMatchObject({
      data: { draft: null },
      errors: [{ extensions: { code: "NOT_FOUND" } }],
    });
    expect(await saveDraft(frank, { draftId: id, subject: "Theirs" })).toMatchObject({ code: "NOT_FOUND", field: "draftId" });
    expect(await frank.client.run(DiscardDraftDocument, { input: { draftId: id } })).toMatchObject({ discardDraft: { code: "NOT_FOUND", field: "draftId" } });
    expect(await sendMessage(frank, { to: [maria.address], draftId: id })).toMatchObject({ code: "NOT_FOUND", field: "draftId" });
  }
  expect(await saveDraft(frank, { mailboxId: erin.mailboxId })).toMatchObject({ code: "NOT_FOUND", field: "mailboxId" });
  expect(await frank.client.refusals(PAGE, { mailboxId: erin.mailboxId })).toEqual(["NOT_FOUND"]);
  expect(await draftsOf(erin)).toMatchObject([{ id: draftId, subject: "Mine" }]);
});

test("a draft answers or passes on only what its own mailbox has, and stays in that mailbox", async () => {
  const team = await createTeam(app, "claims", [erin]);
  const { id: mine } = await deliver(maria, erin);
  const { id: theirs } = await deliver(maria, frank);
  for (const field of ["replyTo", "forwardOf"] as const) {
    expect(await saveDraft(erin, { [field]: theirs })).toMatchObject({ code: "NOT_FOUND", field });
    expect(await saveDraft(erin, { [field]: mine, mailboxId: team.mailboxId })).toMatchObject({ code: "INVALID_INPUT", field });
  }
  const { id: draftId } = saved(await saveDraft(erin, {}));
  expect(await saveDraft(erin, { draftId, mailboxId: team.mailboxId })).toMatchObject({ code: "INVALID_INPUT", field: "mailboxId" });
  expect(await sendMessage(erin, { mailboxId: team.mailboxId, to: [maria.address], draftId })).toMatchObject({ code: "NOT_FOUND", field: "draftId" });
});

test("a team's drafts are shared by its holders, and whoever may only read cannot touch them", async () => {
  const team = await createTeam(app, "appeals", [erin, frank]);
  const trainee = await member(app, "trainee");
  await letIn(app.ctx(), { mailboxId: team.mailboxKey, accountId: trainee.accountId, role: HolderRole.READER });
  const file = await erin.client.uploaded("shared.txt", "shared");
  const { id: draftId } = saved(await saveDraft(erin, { mailboxId: team.mailboxId, subject: "Ours", attachmentIds: [file] }));
  expect((await draftsOf(trainee, team.mailboxId)).map(({ subject }) => subject)).toEqual(["Ours"]);
  expect(await (await trainee.client.download(`/attachments/${file}`)).text()).toBe("shared");
  expect((await maria.client.download(`/attachments/${file}`)).status).toBe(404);
  expect(await saveDraft(trainee, { mailboxId: team.mailboxId, draftId })).toMatchObject({ code: "MAILBOX_READ_ONLY" });
  expect(await trainee.client.run(DiscardDraftDocument, { input: { draftId } })).toMatchObject({ discardDraft: { code: "MAILBOX_READ_ONLY" } });
  expect(saved(await saveDraft(frank, { mailboxId: team.mailboxId, draftId, subject: "Ours, better", attachmentIds: [file] })).attachments).toHaveLength(1);
  sent(await sendMessage(frank, { mailboxId: team.mailboxId, to: [maria.address], draftId, attachmentIds: [file] }));
  expect(await newestOf(maria)).toMatchObject({ attachmentCount: 1, from: { address: team.address } });
});

describe("limits", () => {
  test.each<[what: string, input: Partial<SaveDraftInput>, field: string, limit: number]>([
    ["recipients", { to: ["a", "b", "c"], cc: ["d", "e"] }, "to", 4],
    ["characters of an address", { cc: ["x".repeat(1001)] }, "to", 1000],
    ["characters of a subject", { subject: "x".repeat(256) }, "subject", 255],
    ["bytes of a body", { body: { text: "x".repeat(2001), html: null } }, "body", 2000],
    ["files", { attachmentIds: ["a", "b", "c", "d"].map(() => encodeId("Attachment", newId(START))) }, "attachmentIds", 3],
  ])("on %s", async (_what, input, field, limit) => {
    expect(await saveDraft(erin, input)).toMatchObject({ code: "LIMIT_EXCEEDED", field, limit });
    expect(await draftsOf(erin)).toEqual([]);
  });

  test("on the drafts of a mailbox, saving over one excepted", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 12; n += 1) ids.push(saved(await saveDraft(erin, {})).id);
    expect(await saveDraft(erin, {})).toMatchObject({ code: "LIMIT_EXCEEDED", limit: 12 });
    saved(await saveDraft(erin, { draftId: ids[0] ?? "", subject: "Still" }));
  });
});

test("an untouched draft is gone after 180 days, to the millisecond, and swept with its files", async () => {
  const attachmentIds = [await erin.client.uploaded("old.txt", "old")];
  const { id } = saved(await saveDraft(erin, { subject: "Old", attachmentIds }));
  const savedAt = app.clock.now().getTime();
  app.clock.moveTo(new Date(savedAt + 180 * DAY - 1));
  expect(await draftOf(erin, id)).toMatchObject({ subject: "Old" });
  app.clock.moveTo(new Date(savedAt + 180 * DAY));
  expect(await draftOf(erin, id)).toBeNull();
  expect(await draftsOf(erin)).toEqual([]);
  expect((await erin.client.download(`/attachments/${attachmentIds[0]}`)).status).toBe(404);
  await sweep(app.ctx());
  await app.runJobsOnce();
  expect((await eventsOf(app, erin.mailboxKey)).at(-1)).toMatchObject({ action: "draft.expired", subject_id: decodeOwnedId("Draft", id).uuid, actor_id: null });
});

type SaveResult = SaveDraftWholeMutation["saveDraft"];

async function saveDraft({ client, mailboxId }: SignedInPerson, input: Partial<SaveDraftInput>): Promise<SaveResult> {
  return (await client.run(SaveDraftWholeDocument, { input: { mailboxId, ...input } })).saveDraft;
}

function saved(result: SaveResult): DraftRowFragment {
  if (!("draft" in result)) throw new Error(`The draft was refused: ${JSON.stringify(result)}`);
  return result.draft;
}

async function draftsOf({ client, mailboxId: own }: SignedInPerson, mailboxId = own): Promise<DraftRowFragment[]> {
  return ((await client.run(DraftsDocument, { mailboxId, first: 100, after: null })).mailbox?.drafts.edges ?? []).map(({ node }) => node);
}

async function draftOf({ client }: SignedInPerson, id: string) {
  const { data } = await client.send<{ draft: { subject: string; expiresAt: string } | null }>("query ($id: ID!) { draft(id: $id) { subject expiresAt } }", {
    id,
  });
  return data?.draft;
}

async function filesOf(person: SignedInPerson, id: string): Promise<string[] | undefined> {
  return (await draftsOf(person)).find((draft) => draft.id === id)?.attachments.map(({ fileName }) => fileName);
}

interface Page {
  subjects: string[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

interface PageArgs {
  first?: number;
  after?: string | null;
  last?: number;
  before?: string | null;
}

const PAGE = `query ($mailboxId: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  mailbox(id: $mailboxId) {
    drafts(first: $first, after: $after, last: $last, before: $before) { edges { node { subject } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
  }
}`;
const DraftPage: TypedDocumentNode<
  { mailbox: { drafts: { edges: { node: { subject: string } }[]; pageInfo: Page["pageInfo"] } } },
  PageArgs & { mailboxId: string }
> = parse(PAGE);

async function page({ client, mailboxId }: SignedInPerson, args: PageArgs): Promise<Page> {
  const { edges, pageInfo } = (await client.run(DraftPage, { mailboxId, ...args })).mailbox.drafts;
  return { subjects: edges.map(({ node }) => node.subject), pageInfo };
}

async function blobsOnDisk(): Promise<string[]> {
  const entries = await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
