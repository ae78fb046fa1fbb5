import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Happening, record } from "../ledger/record.ts";
import type { DataKeyId } from "../vault/seal.ts";
import type { Hold } from "./hold.ts";
import { lockHolds, settleHolds } from "./settle-holds.ts";

const BATCH = 500;

/**
 * Keeps messages in line with the holds: ends those whose time is over, covers what has joined a held thread, lets go
 * what an ended hold kept, and destroys the key of a hold that seals nothing any more. May be killed anywhere: each step
 * goes whole or not at all, and the next run finds what is left.
 */
export async function keepHolds(ctx: Ctx): Promise<void> {
  while ((await inTransaction(ctx, endPast)) === BATCH);
  while (
    (await inTransaction(ctx, async (ctx) => {
      await lockHolds(ctx);
      return settleHolds(ctx);
    })) > 0
  );
  while ((await inTransaction(ctx, destroyKeys)) === BATCH);
}

async function endPast(ctx: Ctx): Promise<number> {
  await lockHolds(ctx);
  const ended = await ctx.db.run(endHolds, [ctx.clock.now(), BATCH]);
  const happenings = ended.map(({ uuid, reason, messageId }) => ({
    action: "hold.ended" as const,
    subjectId: uuid,
    code: reason,
    ...(messageId === null ? {} : { messageId }),
  }));
  await record(ctx, ...happenings);
  return ended.length;
}

/** After the commit that took the last message from under a hold, so that whoever still reads one has its key. */
async function destroyKeys(ctx: Ctx): Promise<number> {
  const spent = await ctx.db.run(spentHolds, [ctx.clock.now(), BATCH]);
  const happenings: Happening[] = [];
  for (const { id } of spent) {
    const key: DataKeyId = `hold/${id}`;
    if (await ctx.dataKeys.destroy(ctx.db, key)) happenings.push({ action: "key.destroyed", subjectId: id, code: key });
  }
  await record(ctx, ...happenings);
  return spent.length;
}

const endHolds = statement<Pick<Hold, "uuid" | "reason" | "messageId">>(
  "holds-end",
  `update holds set ended_at = until, note = null
   where id in (select id from holds where ended_at is null and until <= $1 order by id limit $2)
   returning id as uuid, reason, message_id as "messageId"`,
);

const spentHolds = statement<{ id: string }>(
  "holds-spent",
  `update holds set key_destroyed_at = $1
   where id in (
     select h.id from holds h where h.ended_at is not null and h.key_destroyed_at is null
       and not exists (select from messages m where m.held_by = h.id) order by h.id limit $2 for update skip locked)
   returning id`,
);
