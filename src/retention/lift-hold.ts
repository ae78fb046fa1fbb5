import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { mayLift, mustBeStaff } from "./hold-policy.ts";
import { findHold } from "./hold-queries.ts";
import type { Hold } from "./hold.ts";
import { lockHolds, settleHolds } from "./settle-holds.ts";

/**
 * Lifts a hold: what no other hold keeps goes back to its day, and whatever day has passed is unreadable at once. Whoever
 * placed it may, and administrators. A hold that has ended stays as it is.
 */
export async function liftHold(ctx: ViewerCtx, holdId: string): Promise<Hold> {
  mustBeStaff(ctx.viewer);
  await inTransaction(ctx, async (ctx) => {
    await lockHolds(ctx);
    const hold = (await findHold(ctx, holdId)) ?? notFound("holdId");
    if (!mayLift(ctx.viewer, hold))
      refuse(ProblemCode.FORBIDDEN, "Only who placed a hold and administrators may lift it. Ask one of them.", { field: "holdId" });
    if (hold.endedAt !== null) return;
    await ctx.db.run(endHold, [hold.uuid, ctx.clock.now(), ctx.viewer.accountId]);
    const about = hold.messageId === null ? {} : { messageId: hold.messageId };
    await record(ctx, { action: "hold.lifted", subjectId: hold.uuid, code: hold.reason, ...about });
    await settleHolds(ctx, hold.uuid);
  });
  return (await findHold(ctx, holdId)) ?? notFound("holdId");
}

// The note goes with the hold: the key that could open it is destroyed.
const endHold = statement("hold-lift", "update holds set ended_at = $2, lifted_by = $3, note = null where id = $1");
