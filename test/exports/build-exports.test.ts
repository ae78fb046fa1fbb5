import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { after, DAY, MINUTE, SECOND } from "../../src/clock.ts";
import type { Ctx } from "../../src/context.ts";
import { buildExports } from "../../src/exports/build-exports.ts";
import { decodeOwnedId } from "../../src/graphql/node-id.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { deleteMessages } from "../../src/messages/sort-messages.ts";
import { type BlobStore, StorageUnavailable } from "../../src/vault/blob-store.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { checksumsOf, downloaded, exportOf, madeExport, manifestOf, messagesIn, requestExport, unzipped } from "../support/exports.ts";
import { deliver } from "../support/mail.ts";
import { employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp();
  erin = await employee(app, "erin");
  maria = await member(app, "maria");
});

afterEach(() => app.close());

const never = new AbortController().signal;

/** A context whose store takes what is put into it in its own way. */
function withPut(put: (id: string, bytes: AsyncIterable<Buffer>, store: BlobStore) => Promise<number>): Ctx {
  const { blobs } = app.services;
  const store: BlobStore = { put: (id, bytes) => put(id, bytes, blobs), get: (id, range) => blobs.get(id, range), remove: (id) => blobs.remove(id) };
  return { ...app.ctx(), blobs: store };
}

async function blobsOnDisk(): Promise<string[]> {
  const entries = await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

async function deliverLong(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await deliver(erin, maria, { subject: `No. ${n}`, text: randomBytes(40_000).toString("hex") });
}

/** That an export is whole: its messages, its checksums, and no other blob beside it. */
async function expectWhole(id: string, messages: number): Promise<void> {
  const made = await exportOf(maria, id);
  expect(made).toMatchObject({ state: "READY", messageCount: messages, doneCount: messages });
  const files = await unzipped(await downloaded(maria, made));
  expect(messagesIn(files)).toHaveLength(messages);
  expect(manifestOf(files)).toEqual(checksumsOf(files));
  expect(await blobsOnDisk()).toEqual((await sql<{ blob_id: string }>(app, "select blob_id from exports")).map(({ blob_id }) => blob_id));
}

test("a worker that is told to stop gives its export back at once, and the next one makes it whole", async () => {
  await deliverLong(10);
  const { id } = await requestExport(maria, { mailboxId: maria.mailboxId });
  const stop = new AbortController();
  const ctx = withPut((blobId, bytes, store) => {
    let length = 0;
    const watched = Readable.from(bytes).map((part: Buffer) => {
      length += part.length;
      if (length > 200_000) stop.abort();
      return part;
    });
    return store.put(blobId, watched);
  });
  await buildExports(ctx, stop.signal);
  expect(stop.signal.aborted).toBe(true);
  expect(await exportOf(maria, id)).toMatchObject({ state: "RUNNING" });
  expect(await blobsOnDisk()).toEqual([]);
  await buildExports(app.ctx(), never);
  await expectWhole(id, 10);
  expect(await sql(app, "select attempts from exports")).toEqual([{ attempts: 1 }]);
});

test("a worker that was killed is given up after five minutes; should it come back, it changes nothing", async () => {
  await deliverLong(3);
  const { id } = await requestExport(maria, { mailboxId: maria.mailboxId });
  const [begun, comeBack] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const dead = await startTestApp({ beside: app });
  try {
    const frozen = withPut(async (blobId, bytes, store) => {
      begun.resolve();
      await comeBack.promise;
      return store.put(blobId, bytes);
    });
    const killed = buildExports({ ...frozen, dataSource: dead.services.dataSource }, never);
    await begun.promise;

    app.clock.advance(5 * MINUTE - SECOND);
    await buildExports(app.ctx(), never);
    expect(await exportOf(maria, id)).toMatchObject({ state: "RUNNING" });
    app.clock.advance(SECOND);
    await buildExports(app.ctx(), never);
    await expectWhole(id, 3);
    const made = await exportOf(maria, id);

    comeBack.resolve();
    await killed;
    await app.runJobsOnce();
    await expectWhole(id, 3);
    expect(await exportOf(maria, id)).toEqual(made);
    expect((await eventsOf(app)).filter(({ action }) => action === "export.ready")).toHaveLength(1);
  } finally {
    await dead.close();
  }
});

test("while the store fails it is tried again, at most five times; then it has failed and can be asked for anew", async () => {
  await deliver(erin, maria);
  const { id } = await requestExport(maria, { mailboxId: maria.mailboxId });
  const broken = withPut(() => Promise.reject(new StorageUnavailable(new Error("disk full"))));
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    expect(await exportOf(maria, id)).toMatchObject({ state: attempt === 1 ? "PENDING" : "RUNNING" });
    await expect(buildExports(broken, never)).rejects.toThrow(StorageUnavailable);
    await buildExports(broken, never); // Not due yet
    app.clock.advance(30 * SECOND);
  }
  expect(await exportOf(maria, id)).toMatchObject({ state: "FAILED", failure: "STORAGE_UNAVAILABLE", downloadUrl: null, expiresAt: null });
  expect((await eventsOf(app)).filter(({ action }) => action === "export.failed")).toMatchObject([{ actor_id: maria.accountId, code: "STORAGE_UNAVAILABLE" }]);
  await app.runJobsOnce();
  expect(await exportOf(maria, id)).toMatchObject({ state: "FAILED" });
  expect(await madeExport(app, maria, { mailboxId: maria.mailboxId })).toMatchObject({ state: "READY", messageCount: 1 });
});

test("what expired or was deleted since it was asked for is left out", async () => {
  const old = await deliver(erin, maria, { subject: "Old" });
  const removed = await deliver(erin, maria, { subject: "Deleted" });
  app.clock.advance(DAY);
  maria = { ...maria, client: await Client.signIn(app.url, "maria", PASSWORD) };
  erin = { ...erin, client: await Client.signIn(app.url, "erin", PASSWORD) };
  const kept = await deliver(erin, maria, { subject: "Kept" });
  const { id, messageCount } = await requestExport(maria, { messageIds: [old.id, removed.id, kept.id] });
  expect(messageCount).toBe(3);
  const viewer = { accountId: maria.accountId, sessionId: "", isEmployee: false, isAdministrator: false, isConfined: false };
  await deleteMessages({ ...app.ctx(), viewer }, [decodeOwnedId("Message", removed.id)]);
  app.clock.moveTo(after(app.clock.now(), (RETENTION_DAYS - 1) * DAY));
  await app.runJobsOnce();
  maria = { ...maria, client: await Client.signIn(app.url, "maria", PASSWORD) };
  const made = await exportOf(maria, id);
  expect(made).toMatchObject({ state: "READY", messageCount: 1, doneCount: 1 });
  expect(messagesIn(await unzipped(await downloaded(maria, made))).map(([name]) => name)).toEqual([expect.stringContaining("Kept")]);
});

test("for an account that was closed meanwhile nothing is made", async () => {
  await deliver(erin, maria);
  await requestExport(maria, { mailboxId: maria.mailboxId });
  await sql(app, "update accounts set disabled_at = $1 where id = $2", [app.clock.now(), maria.accountId]);
  await app.runJobsOnce();
  expect(await sql(app, "select failure, blob_id from exports")).toEqual([{ failure: "NOT_FOUND", blob_id: null }]);
  expect(await blobsOnDisk()).toEqual([]);
  expect((await eventsOf(app, maria.mailboxKey)).filter(({ action }) => action === "message.exported")).toEqual([]);
});

test("one export at a time is made in a process, each asked-for one after the other", async () => {
  await deliver(erin, maria);
  const asked = [await requestExport(maria, { mailboxId: maria.mailboxId }), await requestExport(erin, { mailboxId: erin.mailboxId })];
  let atOnce = 0;
  let most = 0;
  const counting = withPut(async (blobId, bytes, store) => {
    most = Math.max(most, (atOnce += 1));
    return store.put(blobId, bytes).finally(() => (atOnce -= 1));
  });
  await Promise.all([1, 2, 3].map(() => buildExports(counting, never)));
  expect(most).toBe(1);
  expect([await exportOf(maria, asked[0]?.id ?? ""), await exportOf(erin, asked[1]?.id ?? "")]).toMatchObject([{ state: "READY" }, { state: "READY" }]);
});

test("the memory that 2,000 messages take is that of a few", async () => {
  await deliver(erin, maria, { text: randomBytes(10_000).toString("hex") });
  await sql(
    app,
    `insert into copies (mailbox_id, id, message_id, thread_id, from_mailbox_id, folder, priority, attachment_count, sent_at, expires_at, header)
     select mailbox_id, gen_random_uuid(), message_id, thread_id, from_mailbox_id, folder, priority, attachment_count, sent_at, expires_at, header
     from copies, generate_series(2, 2000) where folder = 'INBOX'`,
  );
  const { id } = await requestExport(maria, { mailboxId: maria.mailboxId });

  const inspector = new Session();
  inspector.connect();
  const inUse: number[] = [];
  let length = 0;
  const measured = withPut((blobId, bytes, store) =>
    store.put(
      blobId,
      Readable.from(bytes).map(async (part: Buffer) => {
        length += part.length;
        if (length / 2_000_000 < inUse.length + 1) return part;
        await inspector.post("HeapProfiler.collectGarbage");
        const { heapUsed, external } = process.memoryUsage();
        inUse.push(heapUsed + external);
        return part;
      }),
    ),
  );
  await buildExports(measured, never);
  expect(await exportOf(maria, id)).toMatchObject({ state: "READY", messageCount: 2000 });
  inspector.disconnect();
  expect(inUse.length).toBeGreaterThan(9);
  expect(Math.max(...inUse) - (inUse[0] ?? 0)).toBeLessThan(10_000_000);
}, 90_000);
