import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { isPending } from "./account-state.ts";

/**
 * Refuses to take administration from an account if no other administrator could then sign in. All who can are locked until
 * the caller's transaction ends, so that two who take it from each other at the same moment take turns, and the second is
 * no administrator any more.
 */
export async function mustLeaveAnAdministrator(ctx: ViewerCtx, accountId: string): Promise<void> {
  const administrators = (await ctx.db.run(lockAdministrators)).map(({ id }) => id);
  if (!administrators.includes(ctx.viewer.accountId)) refuse(ProblemCode.FORBIDDEN, "Only an administrator may do this. Ask one of yours.");
  if (administrators.every((id) => id === accountId))
    refuse(ProblemCode.LAST_ADMINISTRATOR, "This is the last administrator who can sign in. Make another one first.", { field: "accountId" });
}

const lockAdministrators = statement<{ id: string }>(
  "administrators-lock",
  `select a.id from accounts a where a.kind = 'ADMINISTRATOR' and a.disabled_at is null
     and not exists (select from invitations i where i.account_id = a.id and ${isPending})
   order by a.id for no key update of a`,
);
