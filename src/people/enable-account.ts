import { type Account, accountByKey } from "../accounts/account.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { mustExist } from "./disable-account.ts";

/** Lets somebody in again who was disabled. What was ended stays ended: they sign in anew. */
export async function enableAccount(ctx: ViewerCtx, accountId: string): Promise<Account> {
  await inTransaction(ctx, async (ctx) => {
    const [closed] = await ctx.db.run(findClosed, [accountId]);
    if (closed !== undefined) refuse(ProblemCode.INVALID_INPUT, "Its owner closed this account for good. They can enrol anew.", { field: "accountId" });
    const enabled = await ctx.db.run(enable, [accountId]);
    if (enabled.length === 0) return mustExist(ctx, accountId);
    await record(ctx, { action: "account.enabled", subjectId: accountId });
  });
  return (await accountByKey.load(ctx, accountId)) ?? notFound("accountId");
}

const enable = statement<{ id: string }>("account-enable", "update accounts set disabled_at = null where id = $1 and disabled_at is not null returning id");

// What `closeAccount` leaves of a user ID.
const findClosed = statement<{ id: string }>("account-find-closed", "select id from accounts where id = $1 and user_id = 'closed-' || id::text");
