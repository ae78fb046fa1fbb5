import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import path from "node:path";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { parse } from "graphql";
import { SaveDraftWholeDocument } from "../../operations/generated/operations.ts";
import { scanAttachments } from "../../src/attachments/scan-attachments.ts";
import { DAY, MINUTE } from "../../src/clock.ts";
import { decodeAnyId } from "../../src/graphql/node-id.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { zipOf } from "../support/archives.ts";
import { type Behaviour, clean, type LoopbackClamd, startLoopbackClamd } from "../support/clamd.ts";
import { eventually } from "../support/eventually.ts";
import { downloaded, madeExport, unzipped } from "../support/exports.ts";
import { deliver, forwardMessage, openMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

const INFECTED = "infected";
const withSignature: Behaviour = (socket, bytes) => socket.end(bytes.includes(INFECTED) ? "stream: Test.Signature-1 FOUND\0" : "stream: OK\0");

let clamd: LoopbackClamd;
let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  clamd = await startLoopbackClamd();
  app = await startTestApp({
    config: { clamd: clamd.address, session: { idleMinutes: 500_000, hours: 10_000 } },
    limits: { scanSeconds: 2, maxAttachmentBytes: 3_000_000 },
  });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

beforeEach(() => {
  clamd.behave = withSignature;
  clamd.onPiece = () => undefined;
});

afterEach(async () => {
  await sql(app, "delete from attachments where message_id is null and draft_id is null");
  await sql(app, "delete from scans where finished_at is null");
});

afterAll(async () => {
  await app.close();
  await clamd.close();
});

test("nobody gets a file before it was found clean, and then everybody who has it", async () => {
  const id = await erin.client.uploaded("letter.txt", "Some words.");
  expect(await stateOf(erin, id)).toEqual({ state: "UPLOADED", heldSince: null });
  expect(await answerTo(erin, id)).toEqual([409, "ATTACHMENT_HELD"]);
  const letter = await deliver(erin, maria, { attachmentIds: [id] });
  expect((await openMessage(maria, letter.id)).attachments).toMatchObject([{ id, state: "UPLOADED" }]);
  expect(await answerTo(maria, id)).toEqual([409, "ATTACHMENT_HELD"]);
  const head = { method: "HEAD", headers: { authorization: `Bearer ${maria.client.token}` } };
  expect((await fetch(`${app.url}/attachments/${id}`, head)).status).toBe(409);

  await app.runJobsOnce();
  expect(await stateOf(maria, id)).toEqual({ state: "CLEAN", heldSince: null });
  for (const person of [erin, maria]) expect(await answerTo(person, id)).toEqual([200, "Some words."]);
});

test("every state is told, live, to whoever has the file", async () => {
  const [states, arrivals] = await Promise.all([followFiles(erin), followFiles(maria)]);
  const entered = Promise.withResolvers<void>();
  const leave = Promise.withResolvers<void>();
  clamd.behave = (socket) => {
    entered.resolve();
    void leave.promise.then(() => socket.end("stream: OK\0"));
  };
  try {
    const id = await erin.client.uploaded("letter.txt", "Some words.");
    expect(await states.next()).toEqual({ attachment: { id, state: "UPLOADED", heldSince: null }, attachedTo: null });
    await sendMessage(erin, { to: [maria.address], attachmentIds: [id] });
    const scanning = app.runJobsOnce();
    await entered.promise;
    const attachedTo = { id: expect.any(String), subject: "A subject" };
    for (const events of [states, arrivals]) expect(await events.next()).toEqual({ attachment: { id, state: "SCANNING", heldSince: null }, attachedTo });
    leave.resolve();
    for (const events of [states, arrivals]) expect(await events.next()).toEqual({ attachment: { id, state: "CLEAN", heldSince: null }, attachedTo });
    await scanning;
  } finally {
    await states.close();
    await arrivals.close();
  }
});

test("malware is never served: not to its uploader, not with a message that was faster, not with one that passes it on", async () => {
  const waiting = await erin.client.uploaded("waiting.txt", INFECTED);
  const travelling = await erin.client.uploaded("travelling.txt", INFECTED);
  const harmless = await erin.client.uploaded("harmless.txt", "harmless");
  const letter = await deliver(erin, maria, { attachmentIds: [travelling, harmless] });
  await openMessage(maria, letter.id);
  const forwarded = sent(await forwardMessage(maria, letter.id, { to: [erin.address] }));
  await app.runJobsOnce();

  const passedOn = (await openMessage(maria, forwarded.id)).attachments;
  expect(passedOn).toMatchObject([{ state: "REJECTED" }, { state: "CLEAN" }]);
  for (const [person, id] of [
    [erin, waiting],
    [erin, travelling],
    [maria, travelling],
    [maria, passedOn[0]?.id ?? ""],
  ] as const) {
    expect(await stateOf(person, id)).toEqual({ state: "REJECTED", heldSince: null });
    expect(await answerTo(person, id)).toEqual([403, "ATTACHMENT_REJECTED"]);
  }
  for (const id of [harmless, passedOn[1]?.id ?? ""]) expect(await answerTo(maria, id)).toEqual([200, "harmless"]);

  expect(await sendMessage(erin, { to: [maria.address], attachmentIds: [waiting] })).toMatchObject({ code: "ATTACHMENT_REJECTED", field: "attachmentIds" });
  const rejected = (await eventsOf(app, maria.mailboxKey)).filter(({ action }) => action === "attachment.rejected");
  expect(rejected.map(({ code, actor_id }) => [code, actor_id])).toEqual([
    ["Test.Signature-1", null],
    ["Test.Signature-1", null],
  ]);
});

test("an export leaves out what was not found clean, and says so", async () => {
  const before = await erin.client.uploaded("clean.txt", "harmless bytes");
  await app.runJobsOnce();
  const attachmentIds = [before, await erin.client.uploaded("waiting.txt", "unknown bytes")];
  const letter = await deliver(erin, maria, { attachmentIds });
  await clamd.close();
  const files = await unzipped(await downloaded(maria, await madeExport(app, maria, { messageIds: [letter.id] })));
  clamd = await startLoopbackClamd(clean, clamd.address.port);
  const exported = [...files.values()].map(({ bytes }) => bytes.toString()).join();
  const isIn = (text: string): boolean => exported.includes(text) || exported.includes(Buffer.from(text).toString("base64"));
  expect([isIn("harmless bytes"), isIn("unknown bytes")]).toEqual([true, false]);
  expect(files.get("index.html")?.bytes.toString()).toMatch(/waiting\.txt.*left out/);
});

test("a file that was clean may be put on any message later", async () => {
  const id = await erin.client.uploaded("letter.txt", "Some words.");
  await app.runJobsOnce();
  const letter = await deliver(erin, maria, { attachmentIds: [id] });
  await openMessage(maria, letter.id);
  const forwarded = sent(await forwardMessage(maria, letter.id, { to: [erin.address] }));
  const [file] = (await openMessage(maria, forwarded.id)).attachments;
  expect(await answerTo(maria, file?.id ?? "")).toEqual([200, "Some words."]);
});

test("while the scanner is away files are held, their senders told once, and all heals when it is back", async () => {
  const { port } = clamd.address;
  await clamd.close();
  const onMessage = await erin.client.uploaded("a.txt", "on a message");
  await deliver(erin, maria, { attachmentIds: [onMessage] });
  const onDraft = await erin.client.uploaded("b.txt", "on a draft");
  await erin.client.run(SaveDraftWholeDocument, { input: { mailboxId: erin.mailboxId, attachmentIds: [onDraft] } });
  const waiting = await maria.client.uploaded("c.txt", "waiting");
  await app.runJobsOnce();
  const heldSince = app.clock.now().toISOString();
  for (let minute = 0; minute < 3; minute += 1) {
    app.clock.advance(MINUTE);
    await scanAttachments(app.ctx());
  }
  for (const [person, id] of [
    [erin, onMessage],
    [maria, onMessage],
    [erin, onDraft],
    [maria, waiting],
  ] as const) {
    expect(await stateOf(person, id)).toMatchObject({ heldSince });
    expect(await answerTo(person, id)).toEqual([409, "ATTACHMENT_HELD"]);
    expect(await told(person, "attachment.held", id)).toBe(1);
  }

  clamd = await startLoopbackClamd(clean, port);
  app.clock.advance(MINUTE);
  await scanAttachments(app.ctx());
  for (const [person, id] of [
    [erin, onMessage],
    [maria, onMessage],
    [erin, onDraft],
    [maria, waiting],
  ] as const) {
    expect(await stateOf(person, id)).toEqual({ state: "CLEAN", heldSince: null });
    expect(await told(person, "attachment.cleared", id)).toBe(1);
  }
});

describe("a clamd that gives no verdict clears nothing:", () => {
  test.each<[what: string, behave: Behaviour, onPiece?: LoopbackClamd["onPiece"]]>([
    ["it says nothing", () => undefined],
    ["it closes", (socket) => socket.end()],
    ["it breaks off", (socket) => socket.resetAndDestroy()],
    ["it breaks off in the middle", () => undefined, (socket) => socket.resetAndDestroy()],
    ["it closes after the first piece, saying that all is well", () => undefined, (socket) => socket.end("stream: OK\0")],
    ["it refuses the length", () => undefined, (socket) => socket.end("INSTREAM size limit exceeded. ERROR\0")],
    ["it has an error", (socket) => socket.end("stream: Can't allocate memory ERROR\0")],
    ["it gave up", (socket) => socket.end("COMMAND READ TIMED OUT\0")],
    ["it talks of something else", (socket) => socket.end("PONG\0")],
    ["it says OK and more", (socket) => socket.end("stream: OK\0stream: Test FOUND\0")],
    ["it says half of it", (socket) => socket.end("stream: O")],
    ["it talks without end", (socket) => socket.write("x".repeat(100_000))],
    ["it talks HTTP", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\nOK")],
  ])("%s", async (_what, behave, onPiece = () => undefined) => {
    Object.assign(clamd, { behave, onPiece });
    const id = await erin.client.uploaded("large.bin", new Uint8Array(randomBytes(2_000_000)));
    await app.runJobsOnce();
    expect(await stateOf(erin, id)).toEqual({ state: "SCANNING", heldSince: app.clock.now().toISOString() });
    expect(await answerTo(erin, id)).toEqual([409, "ATTACHMENT_HELD"]);
    expect(await told(erin, "attachment.held", id)).toBe(1);
    await eventually(() => expect(clamd.connections()).toBe(0));

    Object.assign(clamd, { behave: clean, onPiece: () => undefined });
    await scanAttachments(app.ctx());
    expect(await stateOf(erin, id)).toMatchObject({ state: "SCANNING" }); // Its pause is not over
    app.clock.advance(MINUTE);
    await scanAttachments(app.ctx());
    expect(await stateOf(erin, id)).toMatchObject({ state: "CLEAN" });
  });
});

test("a file that clamd chokes on holds up no other, and is tried after ever longer pauses", async () => {
  let tries = 0;
  clamd.behave = (socket, bytes) => {
    if (!bytes.includes("choke")) return clean(socket, bytes);
    tries += 1;
    socket.destroy();
  };
  const choking = await erin.client.uploaded("a.txt", "choke");
  const harmless = await erin.client.uploaded("b.txt", "harmless");
  await app.runJobsOnce();
  expect(await stateOf(erin, harmless)).toMatchObject({ state: "CLEAN" });
  for (let minute = 0; minute < 60; minute += 1) {
    app.clock.advance(MINUTE);
    await scanAttachments(app.ctx());
  }
  expect(tries).toBe(7); // After 0, 1, 2, 4, 8, 16 and 32 minutes
  expect(await told(erin, "attachment.held", choking)).toBe(1);
});

test("an empty file and one of many pieces arrive whole", async () => {
  const seen: Buffer[] = [];
  clamd.behave = (socket, bytes) => {
    seen.push(bytes);
    clean(socket, bytes);
  };
  const large = randomBytes(2_500_000);
  const ids = [await erin.client.uploaded("empty", ""), await erin.client.uploaded("large", new Uint8Array(large))];
  await app.runJobsOnce();
  expect(seen.map((bytes) => bytes.equals(large) || bytes.length)).toEqual([0, true]);
  for (const id of ids) expect(await stateOf(erin, id)).toMatchObject({ state: "CLEAN" });
});

test("two nodes scan each file once, and what one left when it died is scanned by the other", async () => {
  let scans = 0;
  clamd.behave = (socket, bytes) => {
    scans += 1;
    clean(socket, bytes);
  };
  const ids = [];
  for (let n = 0; n < 6; n += 1) ids.push(await erin.client.uploaded(`${n}.txt`, `${n}`));
  await Promise.all([scanAttachments(app.ctx()), scanAttachments(app.ctx()), scanAttachments(app.ctx())]);
  expect(scans).toBe(6);

  const killed = Promise.withResolvers<void>();
  clamd.behave = () => killed.resolve();
  const id = await erin.client.uploaded("left.txt", "left");
  const dying = await startTestApp({ beside: app, config: { clamd: clamd.address }, limits: { scanSeconds: 2 } });
  const unfinished = scanAttachments(dying.ctx());
  await killed.promise;
  await dying.close(); // Its connections are gone, so that it can write nothing more
  await unfinished.catch(() => undefined);
  clamd.behave = clean;
  await scanAttachments(app.ctx());
  expect(await stateOf(erin, id)).toMatchObject({ state: "SCANNING" });
  app.clock.advance(2 * MINUTE);
  await scanAttachments(app.ctx());
  expect(await stateOf(erin, id)).toMatchObject({ state: "CLEAN" });
  expect(await told(erin, "attachment.scanning", id)).toBe(1);
  expect(await told(erin, "attachment.cleared", id)).toBe(1);
});

test("a verdict goes when the file goes", async () => {
  await erin.client.uploaded("abandoned.txt", "abandoned");
  await app.runJobsOnce();
  const before = (await sql(app, "select from scans")).length;
  app.clock.advance(DAY + MINUTE);
  await sweep(app.ctx());
  await app.runJobsOnce();
  expect(await sql(app, "select from scans")).toHaveLength(before - 1);
});

test("an archive bomb is refused at the door, by its true reason, and leaves nothing behind", async () => {
  const fine = await erin.client.uploaded("fine.zip", zipOf([{ data: Buffer.from("Some words.") }]));
  expect(await stateOf(erin, fine)).toMatchObject({ state: "UPLOADED" });
  const blobs = await blobsOnDisk();
  for (const bytes of [
    zipOf([{ data: Buffer.alloc(300 * 1024 * 1024) }]),
    zipOf(Array.from({ length: 20_000 }, () => ({ data: Buffer.alloc(0), stored: true }))),
    zipOf([{ data: Buffer.alloc(30 * 1024 * 1024), declaredSize: 40_000 }]),
  ]) {
    expect(bytes.length).toBeLessThan(3_000_000);
    expect(await erin.client.upload("bomb.zip", bytes)).toMatchObject({ code: "ATTACHMENT_REJECTED", message: expect.stringContaining("Nothing was kept") });
  }
  expect(await blobsOnDisk()).toEqual(blobs);
  expect(await sql(app, "select from attachments where stored_at is null")).toEqual([]);
});

async function stateOf(person: SignedInPerson, id: string): Promise<{ state: string; heldSince: string | null } | null> {
  const { node } = await person.client.run(FileDocument, { id });
  return node;
}

/** The status of a download, and its bytes or the code of its refusal. */
async function answerTo(person: SignedInPerson, id: string): Promise<[status: number, text: string]> {
  const response = await person.client.download(`/attachments/${id}`);
  const text = await response.text();
  return [response.status, response.ok ? text : (/"code":"(\w+)"/.exec(text)?.[1] ?? text)];
}

/** How often this was recorded of a file in somebody's mailbox. */
async function told(person: SignedInPerson, action: string, id: string): Promise<number> {
  const uuid = decodeAnyId(id)?.uuids[0];
  return (await eventsOf(app, person.mailboxKey)).filter((event) => event.action === action && event.subject_id === uuid).length;
}

interface FileEvent {
  readonly attachment: { readonly id: string; readonly state: string; readonly heldSince: string | null };
  readonly attachedTo: { readonly id: string; readonly subject: string } | null;
}

/** What happens to files in somebody's mailbox from now on, and nothing else. */
async function followFiles({ client, mailboxId }: SignedInPerson): Promise<{ next(): Promise<FileEvent>; close(): Promise<void> }> {
  const { mailbox } = await client.run(CursorDocument, { mailboxId });
  const subscription = client.subscribe(FilesDocument, { mailboxId, after: mailbox.cursor });
  return {
    async next() {
      for (;;) {
        const event = (await subscription.next())?.mailboxChanged;
        if (event === undefined) throw new Error("The subscription ended");
        if (event.attachment) return { attachment: event.attachment, attachedTo: event.attachedTo ?? null };
      }
    },
    close: () => subscription.close(),
  };
}

async function blobsOnDisk(): Promise<string[]> {
  const entries = await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

const FileDocument: TypedDocumentNode<{ node: { state: string; heldSince: string | null } | null }, { id: string }> = parse(
  "query ($id: ID!) { node(id: $id) { ... on Attachment { state heldSince } } }",
);

const CursorDocument: TypedDocumentNode<{ mailbox: { cursor: string } }, { mailboxId: string }> = parse(
  "query ($mailboxId: ID!) { mailbox(id: $mailboxId) { cursor } }",
);

const FilesDocument: TypedDocumentNode<{ mailboxChanged: Partial<FileEvent> }, { mailboxId: string; after: string }> = parse(`
  subscription ($mailboxId: ID!, $after: String) {
    mailboxChanged(mailboxId: $mailboxId, after: $after) {
      ... on AttachmentChanged { attachment { id state heldSince } attachedTo { id subject } }
    }
  }`);
