import { type Account, AccountKind, accountByKey } from "../accounts/account.ts";
import { endAccessOfRole } from "../accounts/end-access.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { mustLeaveAnAdministrator } from "./administrators.ts";
import { kindFitsAddress } from "./people-policy.ts";

/** Makes somebody an administrator or one no more, or says what an external person is. Their sessions end, for they stand on what they were. */
export async function changeAccountKind(ctx: ViewerCtx, { accountId, kind }: { accountId: string; kind: AccountKind }): Promise<Account> {
  await inTransaction(ctx, async (ctx) => {
    if (kind !== AccountKind.ADMINISTRATOR) await mustLeaveAnAdministrator(ctx, accountId);
    const [account] = await ctx.db.run(lockAccount, [accountId]);
    if (account === undefined) notFound("accountId");
    if (!kindFitsAddress(kind, account.address, ctx.config.organisation))
      refuse(ProblemCode.INVALID_INPUT, "Employees and administrators are those with an address at the organisation's own domains, and only those.", {
        field: "kind",
      });
    if (account.kind === kind) return;
    await ctx.db.run(setKind, [accountId, kind]);
    await endAccessOfRole(ctx, accountId);
    await record(ctx, { action: "account.kind-changed", subjectId: accountId, code: kind });
  });
  return (await accountByKey.load(ctx, accountId)) ?? notFound("accountId");
}

const lockAccount = statement<{ kind: AccountKind; address: string }>(
  "account-lock-kind",
  "select kind, address from accounts where id = $1 for no key update",
);
const setKind = statement("account-set-kind", "update accounts set kind = $2 where id = $1");
