import { AccountKind } from "../accounts/account.ts";
import { endAccess } from "../accounts/end-access.ts";
import { takeBackAll } from "../accounts/validation.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { removeAllFactors } from "../factors/remove-all-factors.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { issueInvitations } from "./invitation.ts";

/**
 * Gives an administrator who cannot get in a fresh start, for the operator: password, second factors, sessions and access tokens are dead, and
 * a new link, whose token is returned, sets a new password. User ID and mail stay.
 */
export async function resetAdministrator(ctx: Ctx, userId: string): Promise<string> {
  return inTransaction(ctx, async (ctx) => {
    const [account] = await ctx.db.run(lockByUserId, [userId.trim().toLowerCase()]);
    if (account === undefined) refuse(ProblemCode.NOT_FOUND, `There is no account ${userId}.`);
    if (account.kind !== AccountKind.ADMINISTRATOR) refuse(ProblemCode.INVALID_INPUT, `${userId} is no administrator. An administrator can help them.`);
    if (account.isDisabled) refuse(ProblemCode.INVALID_INPUT, `${userId} is disabled. Another administrator must enable the account first.`);
    await endAccess(ctx, account.id);
    await takeBackAll(ctx, account.id);
    await removeAllFactors(ctx, account.id);
    await ctx.db.run(forgetPassword, [account.id]);
    const [token = ""] = await issueInvitations(ctx, [account.id]);
    await record(ctx, { action: "account.reset", actorId: null, subjectId: account.id });
    return token;
  });
}

const lockByUserId = statement<{ id: string; kind: AccountKind; isDisabled: boolean }>(
  "account-lock-by-user-id",
  `select id, kind, disabled_at is not null as "isDisabled" from accounts where user_id = $1 for no key update`,
);

const forgetPassword = statement("account-forget-password", "update accounts set password_hash = null, password_needs_factor = false where id = $1");
