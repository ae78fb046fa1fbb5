import { releaseBlobs } from "../attachments/release-attachments.ts";
import { before, HOUR } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";

const BATCH = 100;

/** Removes the files of exports whose hour is over and, once no idempotency key can ask for it again, what is left of each. */
export async function expireExports(ctx: Ctx): Promise<void> {
  const now = ctx.clock.now();
  while ((await expireBatch(ctx, now)) === BATCH);
  const forgotten = before(now, ctx.config.limits.idempotencyHours * HOUR);
  while ((await ctx.db.run(dropExports, [forgotten, now, BATCH])).length === BATCH);
}

async function expireBatch(ctx: Ctx, now: Date): Promise<number> {
  return inTransaction(ctx, async (ctx) => {
    const expired = await ctx.db.run(takeExpired, [now, BATCH]);
    await releaseBlobs(
      ctx,
      expired.map(({ blobId }) => blobId),
    );
    await record(ctx, ...expired.map(({ id }) => ({ action: "export.expired" as const, actorId: null, subjectId: id })));
    return expired.length;
  });
}

const takeExpired = statement<{ id: string; blobId: string }>(
  "exports-expire",
  `with expired as (
     select id, blob_id from exports where expires_at <= $1 and blob_id is not null order by expires_at limit $2 for update skip locked
   )
   update exports e set blob_id = null, header = null from expired where e.id = expired.id returning e.id, expired.blob_id as "blobId"`,
);

const dropExports = statement<{ id: string }>(
  "exports-drop",
  `delete from exports where id in (
     select id from exports where requested_at <= $1 and (ready_at is not null or failed_at is not null) and blob_id is null
       and (expires_at is null or expires_at <= $2)
     order by requested_at limit $3 for update skip locked)
   returning id`,
);
