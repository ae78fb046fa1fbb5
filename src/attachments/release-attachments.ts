import { before, HOUR, MINUTE } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import { type Happening, record } from "../ledger/record.ts";

const BATCH = 500;
/** An upload still in flight after so long was cut off by a crash: no request lives longer. */
const IN_FLIGHT_MINUTES = 30;
/** A finished upload that no draft and no message took. */
const WAITING_HOURS = 24;

/** What an attachment can hang on when it is let go. */
export type ReleaseFrom = { messageIds: readonly string[] } | { draftIds: readonly string[] };

/**
 * Removes the attachments of messages or drafts that are going, in the caller's transaction. Bytes that no other
 * attachment names are handed to a job, which removes them once this has committed.
 */
export async function releaseAttachments(ctx: Ctx, from: ReleaseFrom, except: readonly string[] = []): Promise<void> {
  await record(ctx, ...(await dropAttachments(ctx, from, except)));
}

/** The same for callers that have more to record: mailboxes are locked once, so all that happened goes in one breath. */
export async function dropAttachments(ctx: Ctx, from: ReleaseFrom, except: readonly string[] = []): Promise<Happening[]> {
  const rows = "messageIds" in from ? await ctx.db.run(dropOfMessages, [from.messageIds]) : await ctx.db.run(dropOfDrafts, [from.draftIds, except]);
  return release(ctx, rows);
}

/** Removes an upload whose bytes the store could not take; what it may have of them is handed to the job. */
export async function releaseUpload(ctx: Ctx, id: string): Promise<void> {
  await inTransaction(ctx, async (ctx) => record(ctx, ...(await release(ctx, await ctx.db.run(dropUpload, [id])))));
}

/** Removes uploads that a crash cut off or that nobody put on anything for a day; returns how many. */
export async function sweepUploads(ctx: Ctx): Promise<number> {
  const now = ctx.clock.now();
  return inTransaction(ctx, async (ctx) => {
    const rows = await ctx.db.run(dropAbandoned, [before(now, IN_FLIGHT_MINUTES * MINUTE), before(now, WAITING_HOURS * HOUR), BATCH]);
    await record(ctx, ...(await release(ctx, rows)));
    return rows.length;
  });
}

/** Removes the bytes of released blobs from the store, then forgets them. Safe to run twice, and on several nodes. */
export async function removeReleasedBlobs({ db, blobs }: Ctx): Promise<void> {
  for (;;) {
    const released = (await db.run(releasedBatch, [BATCH])).map(({ blob_id }) => blob_id);
    await Promise.all(released.map((blobId) => blobs.remove(blobId)));
    await db.run(forgetReleased, [released]);
    if (released.length < BATCH) return;
  }
}

/** Hands blobs that nothing names any more to `removeReleasedBlobs`, in the caller's transaction; returns how many. */
export async function releaseBlobs(ctx: Ctx, blobIds: readonly string[]): Promise<number> {
  return (await ctx.db.run(insertReleased, [[...new Set(blobIds)], ctx.clock.now()])).length;
}

async function release(ctx: Ctx, rows: { id: string; blob_id: string }[]): Promise<Happening[]> {
  if (rows.length === 0) return [];
  const released = await releaseBlobs(
    ctx,
    rows.map((row) => row.blob_id),
  );
  return released > 0 ? [{ action: "attachment.released" }] : [];
}

type Dropped = Statement<{ id: string; blob_id: string }>;

const dropOfMessages: Dropped = statement("attachments-drop-messages", "delete from attachments where message_id = any ($1::uuid[]) returning id, blob_id");
const dropOfDrafts: Dropped = statement(
  "attachments-drop-drafts",
  "delete from attachments where draft_id = any ($1::uuid[]) and id <> all ($2::uuid[]) returning id, blob_id",
);

const dropUpload: Dropped = statement("attachments-drop-upload", "delete from attachments where id = $1 and stored_at is null returning id, blob_id");

const dropAbandoned: Dropped = statement(
  "attachments-drop-abandoned",
  `delete from attachments where id in (
     select id from attachments
     where message_id is null and draft_id is null and created_at < $1 and (stored_at is null or created_at < $2)
     order by created_at limit $3 for update skip locked)
   returning id, blob_id`,
);

// A statement of its own, after the deletion: it must see what others bound to the same bytes in between.
const insertReleased = statement<{ blob_id: string }>(
  "blobs-release",
  `insert into released_blobs (blob_id, released_at)
   select blob_id, $2 from unnest($1::uuid[]) as gone (blob_id)
   where not exists (select from attachments a where a.blob_id = gone.blob_id)
   on conflict (blob_id) do nothing returning blob_id`,
);

const releasedBatch = statement<{ blob_id: string }>("blobs-released", "select blob_id from released_blobs order by blob_id limit $1");
const forgetReleased = statement(
  "blobs-forget",
  "with gone as (delete from scans where blob_id = any ($1::uuid[])) delete from released_blobs where blob_id = any ($1::uuid[])",
);
