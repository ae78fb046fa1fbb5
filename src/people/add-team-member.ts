import { accountByKey, isEmployeeKind } from "../accounts/account.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { HolderRole } from "../mailboxes/mailbox-holder.ts";
import { letIn } from "../mailboxes/open-mailbox.ts";
import { notFound, ProblemCode, refuse, withinLimit } from "../problem.ts";
import { findTeam, MAX_TEAM_MEMBERS } from "./team-queries.ts";
import type { Team } from "./team.ts";

/** Who comes into which team, as what, and until when. */
export interface TeamMembership {
  readonly mailboxId: string;
  readonly accountId: string;
  readonly role: HolderRole;
  readonly until: Date | null;
}

/** Lets an employee into a team's mailbox, or changes what they may do there and until when. */
export async function addTeamMember(ctx: ViewerCtx, { mailboxId, accountId, role, until }: TeamMembership): Promise<Team> {
  if (role === HolderRole.OWNER) refuse(ProblemCode.INVALID_INPUT, "Nobody owns a team's mailbox: its members read or write.", { field: "role" });
  if (until !== null && until <= ctx.clock.now()) refuse(ProblemCode.INVALID_INPUT, "The end must be in the future.", { field: "until" });
  const team = await findTeam(ctx, mailboxId);
  await inTransaction(ctx, async (ctx) => {
    const account = (await accountByKey.load(ctx, accountId)) ?? notFound("accountId");
    if (!isEmployeeKind(account.kind)) refuse(ProblemCode.INVALID_INPUT, "Only employees and administrators work a team's mailbox.", { field: "accountId" });
    await ctx.db.run(lockTeam, [mailboxId]);
    const { n } = await ctx.db.one(countOthers, [mailboxId, accountId, ctx.clock.now()]);
    withinLimit(n + 1, MAX_TEAM_MEMBERS, "accountId", "Members of a team");
    await letIn(ctx, { mailboxId, accountId, role, endsAt: until });
    await record(ctx, { action: "team.member-added", subjectId: accountId, code: `${mailboxId} ${role}` });
  });
  return team;
}

const lockTeam = statement("team-lock", "select from mailboxes where id = $1 for no key update");

const countOthers = statement<{ n: number }>(
  "team-count-others",
  "select count(*)::int as n from mailbox_holders where mailbox_id = $1 and account_id <> $2 and (ends_at is null or ends_at > $3)",
);
