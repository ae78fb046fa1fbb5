import { dayNumber } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

/**
 * Notes, in the caller's transaction, that these copies are gone from days whose words are gathered: a job gathers those
 * days again without them. Until then a search looks each hit up and finds that it is gone.
 */
export async function markDaysStale(ctx: Ctx, removed: readonly { readonly mailboxId: string; readonly sentAt: Date }[]): Promise<void> {
  await ctx.db.run(markStale, [removed.map(({ mailboxId }) => mailboxId), removed.map(({ sentAt }) => dayNumber(sentAt)), ctx.clock.now()]);
}

const markStale = statement(
  "search-days-mark-stale",
  `with gathered as (
     select mailbox_id, day from search_gathered_days
     where (mailbox_id, day) in (select * from unnest($1::uuid[], $2::int[])) order by mailbox_id, day for no key update
   )
   update search_gathered_days d set stale_since = $3 from gathered g where d.mailbox_id = g.mailbox_id and d.day = g.day`,
);
