import { before, DAY } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { firstIdAt } from "../ids.ts";
import { RETENTION_DAYS } from "../limits.ts";

const BATCH = 1000;

/** Removes notices and reports as old as a message may become: nothing that they tell of is left, and the key of what was reported is gone. */
export async function forgetNotices(ctx: Ctx, stop?: AbortSignal): Promise<void> {
  const oldest = firstIdAt(before(ctx.clock.now(), RETENTION_DAYS * DAY));
  for (const drop of [dropNotices, dropReports]) while ((await ctx.db.run(drop, [oldest, BATCH])).length === BATCH) if (stop?.aborted) return;
}

const dropNotices = statement<{ id: string }>(
  "notices-forget",
  `with gone as (delete from notices where id in (select id from notices where id < $1 order by id limit $2 for update skip locked) returning id),
   messages as (delete from noticed_messages where notice_id in (select id from gone))
   select id from gone`,
);

const dropReports = statement<{ id: string }>(
  "reports-forget",
  "delete from suspected_notices where id in (select id from suspected_notices where id < $1 order by id limit $2 for update skip locked) returning id",
);
