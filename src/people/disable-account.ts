import { registerEnumType } from "type-graphql";
import { type Account, accountByKey } from "../accounts/account.ts";
import { endAccess } from "../accounts/end-access.ts";
import { takeBackAll } from "../accounts/validation.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { mustLeaveAnAdministrator } from "./administrators.ts";

/** Why an account was disabled; stands in the ledger. */
export enum DisableReason {
  LEFT = "LEFT",
  ABSENT = "ABSENT",
  COMPROMISED = "COMPROMISED",
  MISUSE = "MISUSE",
  OTHER = "OTHER",
}

registerEnumType(DisableReason, {
  name: "DisableReason",
  description: "Why an account was disabled; stands in the ledger.",
  valuesConfig: {
    LEFT: { description: "They do not work here any more, or are no longer with us." },
    ABSENT: { description: "They are away for long." },
    COMPROMISED: { description: "Somebody else may have got in, or a device is lost." },
    MISUSE: { description: "They used it for what it is not for." },
    OTHER: { description: "Anything else." },
  },
});

/** Shuts somebody out: no sign-in, and every session, access token and socket ends within two seconds, on all nodes. Their mail stays. */
export async function disableAccount(ctx: ViewerCtx, { accountId, reason }: { accountId: string; reason: DisableReason }): Promise<Account> {
  if (accountId === ctx.viewer.accountId)
    refuse(ProblemCode.OWN_ACCOUNT, "You cannot disable your own account. Ask another administrator.", { field: "accountId" });
  await inTransaction(ctx, async (ctx) => {
    await mustLeaveAnAdministrator(ctx, accountId);
    const disabled = await ctx.db.run(disable, [accountId, ctx.clock.now()]);
    if (disabled.length === 0) return mustExist(ctx, accountId);
    await endAccess(ctx, accountId);
    await takeBackAll(ctx, accountId);
    await record(ctx, { action: "account.disabled", subjectId: accountId, code: reason });
  });
  return (await accountByKey.load(ctx, accountId)) ?? notFound("accountId");
}

/** Doing what is done already changes nothing; doing it to nobody is refused. */
export async function mustExist(ctx: ViewerCtx, accountId: string): Promise<void> {
  if ((await ctx.db.run(find, [accountId])).length === 0) notFound("accountId");
}

const disable = statement<{ id: string }>("account-disable", "update accounts set disabled_at = $2 where id = $1 and disabled_at is null returning id");
const find = statement<{ id: string }>("account-find", "select id from accounts where id = $1");
