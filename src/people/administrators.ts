import { lockAdministrators } from "../accounts/administrators.ts";
import type { ViewerCtx } from "../context.ts";
import { ProblemCode, refuse } from "../problem.ts";

/**
 * Refuses to take administration from an account if no other administrator could then sign in. All who can are locked until
 * the caller's transaction ends, so that two who take it from each other at the same moment take turns, and the second is
 * no administrator any more.
 */
export async function mustLeaveAnAdministrator(ctx: ViewerCtx, accountId: string): Promise<void> {
  const administrators = await lockAdministrators(ctx);
  if (!administrators.includes(ctx.viewer.accountId)) refuse(ProblemCode.FORBIDDEN, "Only an administrator may do this. Ask one of yours.");
  if (administrators.every((id) => id === accountId))
    refuse(ProblemCode.LAST_ADMINISTRATOR, "This is the last administrator who can sign in. Make another one first.", { field: "accountId" });
}
