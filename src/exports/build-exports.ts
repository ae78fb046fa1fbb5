import { createHash } from "node:crypto";
import type { DataSource } from "typeorm";
import { accountByKey, rolesOf } from "../accounts/account.ts";
import { releaseBlobs } from "../attachments/release-attachments.ts";
import { after, MINUTE, SECOND } from "../clock.ts";
import { type Ctx, inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { topicOfExport } from "../ledger/bus.ts";
import { record } from "../ledger/record.ts";
import { notFound, ProblemCode, Refusal } from "../problem.ts";
import { StorageUnavailable } from "../vault/blob-store.ts";
import { newBlobKey, storeBlob } from "../vault/sealed-blob.ts";
import type { ExportHeader } from "./export.ts";
import { Abandoned, ExportArchive } from "./export-archive.ts";
import { fillArchive } from "./fill-archive.ts";
import type { Selection } from "./select-messages.ts";

/** Whoever has not moved an export for so long is taken for dead; no message takes that long. */
const LEASE_MS = 5 * MINUTE;
/** What failed for want of storage or a database is tried again after so long, and so often. */
const RETRY_MS = 30 * SECOND;
const MAX_ATTEMPTS = 5;
const PROGRESS_MS = SECOND;

/** An export that this process makes now. The blob is of this attempt alone: whoever finds another one there has lost it. */
interface Work extends Selection {
  readonly uuid: string;
  readonly accountId: string;
  readonly attempts: number;
  readonly blobId: string;
}

const building = new WeakSet<DataSource>();

/**
 * Makes the exports that were asked for and those whose worker was killed, until none is left: one at a time in each
 * process, so that long ones leave room for other jobs. Each attempt begins anew, into a blob of its own.
 */
export async function buildExports(ctx: Ctx, stop: AbortSignal): Promise<void> {
  if (building.has(ctx.dataSource)) return;
  building.add(ctx.dataSource);
  try {
    while (!stop.aborted) {
      const work = await takeNext(ctx);
      if (work === undefined) return;
      await build(ctx, work, stop);
    }
  } finally {
    building.delete(ctx.dataSource);
  }
}

async function takeNext(ctx: Ctx): Promise<Work | undefined> {
  const now = ctx.clock.now();
  return inTransaction(ctx, async (ctx) => {
    const [taken] = await ctx.db.run(takeExport, [now, after(now, LEASE_MS), newId(now)]);
    if (taken === undefined) return undefined;
    if (taken.lostBlobId !== null) await discard(ctx, taken.uuid, taken.lostBlobId);
    ctx.transaction?.topics.add(topicOfExport(taken.uuid));
    return taken;
  });
}

/** Lets go of what an attempt that came to nothing may have stored. */
async function discard(ctx: Ctx, uuid: string, blobId: string): Promise<void> {
  await inTransaction(ctx, async (ctx) => {
    await releaseBlobs(ctx, [blobId]);
    await record(ctx, { action: "export.interrupted", subjectId: uuid, actorId: null });
  });
}

async function build(ctx: Ctx, work: Work, stop: AbortSignal): Promise<void> {
  const archive = new ExportArchive();
  const halt = (): void => void archive.bytes.destroy(new Halted());
  stop.addEventListener("abort", halt, { once: true });
  try {
    await publish(ctx, work, await write(ctx, archive, work));
  } catch (error) {
    await giveUp(ctx, work, error);
  } finally {
    stop.removeEventListener("abort", halt);
  }
}

/** What is known of an archive once it is stored. */
interface Written {
  readonly messageCount: number;
  readonly size: number;
  readonly sha256: Buffer;
  readonly key: Buffer;
}

/** Fills the archive and stores it at the same time; should one of them fail, the other one ends, too. */
async function write(ctx: Ctx, archive: ExportArchive, work: Work): Promise<Written> {
  const hash = createHash("sha256");
  const key = newBlobKey();
  const together = async <T>(half: Promise<T>): Promise<T> =>
    half.catch((error: unknown) => {
      archive.bytes.destroy(error instanceof Error ? error : new Abandoned());
      throw error;
    });
  const [filled, stored] = await Promise.allSettled([
    together(asRequester(ctx, work.accountId).then((viewerCtx) => fillArchive(viewerCtx, archive, work, progressOf(ctx, work)))),
    together(storeBlob(ctx.blobs, work.blobId, key, hashed(archive.bytes, hash))),
  ]);
  if (filled.status === "rejected" && !(filled.reason instanceof Abandoned)) throw filled.reason;
  if (stored.status === "rejected") throw stored.reason;
  if (filled.status === "rejected") throw filled.reason;
  return { messageCount: filled.value, size: stored.value, sha256: hash.digest(), key };
}

async function publish(ctx: Ctx, { uuid, accountId, blobId }: Work, { messageCount, size, sha256, key }: Written): Promise<void> {
  const now = ctx.clock.now();
  const header = (await ctx.dataKeys.ofDay(now)).seal<ExportHeader>({ id: uuid, field: "export" }, { key: key.toString("base64") });
  const expiresAt = after(now, ctx.config.limits.exportMinutes * MINUTE);
  await inTransaction(ctx, async (ctx) => {
    const ready = await ctx.db.run(setReady, [uuid, blobId, now, expiresAt, messageCount, size, sha256, header]);
    if (ready.length === 0) throw new Superseded();
    await record(ctx, { action: "export.ready", subjectId: uuid, actorId: accountId });
    ctx.transaction?.topics.add(topicOfExport(uuid));
  });
}

/** Everything is read as the one who asked, by the rights they have now. */
async function asRequester(ctx: Ctx, accountId: string): Promise<ViewerCtx> {
  const account = await accountByKey.load({ ...ctx }, accountId);
  if (account === undefined || account.disabledAt !== null) notFound();
  return { ...ctx, viewer: { accountId, sessionId: "", ...rolesOf(account.kind), isConfined: false } };
}

/** Says at most every second how far it is, and notices when somebody else has taken over. */
function progressOf(ctx: Ctx, { uuid, blobId }: Work): (doneCount: number) => Promise<void> {
  let toldAt = performance.now();
  return async (doneCount) => {
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    if ((await ctx.db.run(setProgress, [uuid, blobId, doneCount, after(ctx.clock.now(), LEASE_MS)])).length === 0) throw new Superseded();
    ctx.bus.signal([topicOfExport(uuid)]);
  };
}

async function giveUp(ctx: Ctx, work: Work, error: unknown): Promise<void> {
  const { uuid, blobId, accountId, attempts } = work;
  if (error instanceof Superseded) return discard(ctx, uuid, blobId);
  if (error instanceof Halted) {
    await ctx.db.run(giveBack, [uuid, blobId, ctx.clock.now(), 1]);
    return;
  }
  const isRefusal = error instanceof Refusal;
  if (!isRefusal && attempts < MAX_ATTEMPTS) {
    await ctx.db.run(giveBack, [uuid, blobId, after(ctx.clock.now(), RETRY_MS), 0]);
    throw error;
  }
  const failure = isRefusal ? error.problem.code : error instanceof StorageUnavailable ? ProblemCode.STORAGE_UNAVAILABLE : ProblemCode.UNAVAILABLE;
  await inTransaction(ctx, async (ctx) => {
    if ((await ctx.db.run(setFailed, [uuid, blobId, ctx.clock.now(), failure])).length === 0) return;
    await releaseBlobs(ctx, [blobId]);
    await record(ctx, { action: "export.failed", subjectId: uuid, actorId: accountId, code: failure });
    ctx.transaction?.topics.add(topicOfExport(uuid));
  });
  if (!isRefusal) throw error;
}

/** The process is going down; another one begins anew. */
class Halted extends Error {}

/** Another process took the export over. */
class Superseded extends Error {}

async function* hashed(bytes: AsyncIterable<Buffer>, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for await (const part of bytes) {
    hash.update(part);
    yield part;
  }
}

const takeExport = statement<{
  uuid: string;
  accountId: string;
  mailboxIds: string[];
  threadId: string | null;
  copyIds: string[] | null;
  attempts: number;
  blobId: string;
  lostBlobId: string | null;
}>(
  "export-take",
  `with due as (
     select id, blob_id from exports where ready_at is null and failed_at is null and (leased_until is null or leased_until <= $1)
     order by requested_at limit 1 for update skip locked
   )
   update exports e set started_at = coalesce(e.started_at, $1), attempts = e.attempts + 1, done_count = 0, leased_until = $2, blob_id = $3
   from due where e.id = due.id
   returning e.id as uuid, e.account_id as "accountId", e.mailbox_ids as "mailboxIds", e.thread_id as "threadId", e.copy_ids as "copyIds", e.attempts,
             e.blob_id as "blobId", due.blob_id as "lostBlobId"`,
);

const mine = "where id = $1 and blob_id = $2 and ready_at is null and failed_at is null returning id";

const setProgress = statement<{ id: string }>("export-progress", `update exports set done_count = $3, leased_until = $4 ${mine}`);

const setReady = statement<{ id: string }>(
  "export-ready",
  `update exports set ready_at = $3, expires_at = $4, message_count = $5, done_count = $5, size = $6, sha256 = $7, header = $8, leased_until = null ${mine}`,
);

const setFailed = statement<{ id: string }>(
  "export-failed",
  `update exports set failed_at = $3, failure = $4, blob_id = null, leased_until = null where id = $1 and blob_id = $2 and ready_at is null returning id`,
);

const giveBack = statement<{ id: string }>("export-give-back", `update exports set leased_until = $3, attempts = attempts - $4 ${mine}`);
