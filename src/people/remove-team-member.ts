import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { topicOfMailbox } from "../ledger/bus.ts";
import { record } from "../ledger/record.ts";
import { notFound } from "../problem.ts";
import { findTeam } from "./team-queries.ts";
import type { Team } from "./team.ts";

/** Takes somebody out of a team's mailbox, at once; their subscriptions to it end within two seconds. */
export async function removeTeamMember(ctx: ViewerCtx, { mailboxId, accountId }: { mailboxId: string; accountId: string }): Promise<Team> {
  const team = await findTeam(ctx, mailboxId);
  await inTransaction(ctx, async (ctx) => {
    const removed = await ctx.db.run(endMembership, [mailboxId, accountId, ctx.clock.now()]);
    if (removed.length === 0) notFound("accountId");
    await record(ctx, { action: "team.member-removed", subjectId: accountId, code: mailboxId });
    ctx.transaction?.topics.add(topicOfMailbox(mailboxId));
  });
  return team;
}

const endMembership = statement<{ id: string }>(
  "team-end-membership",
  "update mailbox_holders set ends_at = $3 where mailbox_id = $1 and account_id = $2 and (ends_at is null or ends_at > $3) returning account_id as id",
);
