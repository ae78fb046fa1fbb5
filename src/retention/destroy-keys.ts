import { type Ctx, inTransaction } from "../context.ts";
import { record } from "../ledger/record.ts";

/**
 * Destroys the key of each day whose last message has expired, and records it. What that day left anywhere, in rows that
 * are not swept yet, in dead rows, blobs, logs of the database or backups, is noise from then on.
 */
export async function destroyPastKeys(ctx: Ctx): Promise<void> {
  await inTransaction(ctx, async (ctx) => {
    const ids = await ctx.dataKeys.destroyPastDays(ctx.db);
    await record(ctx, ...ids.map((id) => ({ action: "key.destroyed" as const, actorId: null, code: id })));
  });
}
