import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { topicOfSession } from "../ledger/bus.ts";
import { record } from "../ledger/record.ts";

/** Ends all of an account's sessions but one, in the caller's transaction: everywhere within two seconds, sockets and all. */
export async function endSessions(ctx: Ctx, accountId: string, except: string | null = null): Promise<void> {
  const ended = await ctx.db.run(endAll, [accountId, except, ctx.clock.now()]);
  await record(ctx, ...ended.map(({ id }) => ({ action: "session.ended" as const, actorId: accountId, subjectId: id })));
  for (const { id } of ended) ctx.transaction?.topics.add(topicOfSession(id));
}

const endAll = statement<{ id: string }>(
  "sessions-end-all",
  `update sessions set revoked_at = $3
   where account_id = $1 and revoked_at is null and expires_at > $3 and ($2::uuid is null or id <> $2) returning id`,
);
