import { after, before, HOUR, MINUTE, SECOND } from "../clock.ts";
import type { ClamdAddress } from "../setting-values.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { readBlob } from "../vault/sealed-blob.ts";
import { attachmentOfBlob } from "./attachment-queries.ts";
import { ScannerAway, scanBytes } from "./clamd.ts";
import { recordAttachments } from "./record-attachments.ts";

/** A job works for so long, then lets others have its place; the next one goes on. */
const TURN_MS = 30 * SECOND;
/** A file without a verdict after so long is held, whatever the reason. */
const OVERDUE_MS = 5 * MINUTE;
const SHORTEST_PAUSE_MS = MINUTE;
const LONGEST_PAUSE_MS = HOUR;
const BATCH = 100;

/**
 * Has clamd look at each file that waits for it, oldest first. Without a verdict a file stays held, its holders are told
 * once, and it is tried again: after a minute while clamd is away, after ever longer pauses if it is about this file.
 * Safe on several nodes at once and killed anywhere: a file is tried again when whoever took it must have died.
 */
export async function scanAttachments(ctx: Ctx): Promise<void> {
  const { clamd } = ctx.config;
  if (clamd === null) return;
  await holdWaiting(ctx, before(ctx.clock.now(), OVERDUE_MS));
  for (const end = performance.now() + TURN_MS; performance.now() < end;) {
    const blobId = await takeNext(ctx);
    if (blobId === null) return;
    const verdict = await verdictOn(ctx, clamd, blobId);
    if (!(verdict instanceof Error)) {
      await finish(ctx, blobId, verdict.malware);
      continue;
    }
    ctx.log.error({ err: verdict, requestId: ctx.requestId, blobId }, "a file could not be scanned; it stays held");
    const isAway = verdict instanceof ScannerAway;
    await postpone(ctx, blobId, isAway ? SHORTEST_PAUSE_MS : LONGEST_PAUSE_MS);
    if (!isAway) continue;
    await holdWaiting(ctx, ctx.clock.now());
    return;
  }
}

async function takeNext(ctx: Ctx): Promise<string | null> {
  return inTransaction(ctx, async (ctx) => {
    const now = ctx.clock.now();
    const [scan] = await ctx.db.run(takeDue, [now, after(now, 2 * ctx.config.limits.scanSeconds * SECOND)]);
    if (scan?.isFirstTry) await recordAttachments(ctx, "attachment.scanning", [scan.blobId]);
    return scan?.blobId ?? null;
  });
}

/** What clamd says, or what kept it from saying anything. Bytes that are on nothing any more are nobody's danger. */
async function verdictOn(ctx: Ctx, clamd: ClamdAddress, blobId: string): Promise<{ malware: string | null } | Error> {
  const attachment = await attachmentOfBlob(ctx, blobId);
  if (attachment === undefined) return { malware: null };
  try {
    return { malware: await scanBytes(clamd, readBlob(ctx.blobs, attachment.blob), ctx.config.limits.scanSeconds * SECOND) };
  } catch (error) {
    return error instanceof Error ? error : new Error("a scan failed", { cause: error });
  }
}

async function finish(ctx: Ctx, blobId: string, malware: string | null): Promise<void> {
  await inTransaction(ctx, async (ctx) => {
    const finished = await ctx.db.run(finishScan, [blobId, ctx.clock.now(), malware]);
    if (finished.length === 0) return; // Another node was faster, or the file is gone
    if (malware === null) await recordAttachments(ctx, "attachment.cleared", [blobId]);
    else await recordAttachments(ctx, "attachment.rejected", [blobId], malware);
  });
}

async function postpone(ctx: Ctx, blobId: string, longestPauseMs: number): Promise<void> {
  await inTransaction(ctx, async (ctx) => {
    const [scan] = await ctx.db.run(postponeScan, [blobId, ctx.clock.now(), SHORTEST_PAUSE_MS, longestPauseMs]);
    if (scan?.isNewlyHeld) await recordAttachments(ctx, "attachment.held", [blobId]);
  });
}

async function holdWaiting(ctx: Ctx, uploadedBefore: Date): Promise<void> {
  for (let held = BATCH; held === BATCH;) {
    held = await inTransaction(ctx, async (ctx) => {
      const scans = await ctx.db.run(holdScans, [ctx.clock.now(), uploadedBefore, BATCH]);
      await recordAttachments(
        ctx,
        "attachment.held",
        scans.map(({ blobId }) => blobId),
      );
      return scans.length;
    });
  }
}

const takeDue = statement<{ blobId: string; isFirstTry: boolean }>(
  "scan-take",
  `with due as (
     select blob_id, started_at is null as first from scans where finished_at is null and next_at <= $1 order by next_at limit 1 for update skip locked
   )
   update scans s set started_at = coalesce(s.started_at, $1), next_at = $2 from due where s.blob_id = due.blob_id
   returning s.blob_id as "blobId", due.first as "isFirstTry"`,
);

const finishScan = statement<{ blobId: string }>(
  "scan-finish",
  `update scans set finished_at = $2, malware = $3 where blob_id = $1 and finished_at is null returning blob_id as "blobId"`,
);

// The pause is as long as the file has been held already, so that it doubles.
const postponeScan = statement<{ isNewlyHeld: boolean }>(
  "scan-postpone",
  `with tried as (
     select blob_id, held_at is null as newly, extract(epoch from $2 - coalesce(held_at, $2)) * 1000 as held_ms
     from scans where blob_id = $1 and finished_at is null for update
   )
   update scans s set held_at = coalesce(s.held_at, $2), next_at = $2 + least(greatest(tried.held_ms, $3), $4) * interval '1 millisecond'
   from tried where s.blob_id = tried.blob_id
   returning tried.newly as "isNewlyHeld"`,
);

const holdScans = statement<{ blobId: string }>(
  "scans-hold",
  `update scans set held_at = $1 where blob_id in (
     select blob_id from scans where finished_at is null and held_at is null and uploaded_at <= $2 order by next_at limit $3 for update skip locked)
   returning blob_id as "blobId"`,
);
