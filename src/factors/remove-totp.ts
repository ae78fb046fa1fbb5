import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { changeFactors } from "./factor-change.ts";

/** Removes the viewer's authenticator app. */
export async function removeTotp(ctx: ViewerCtx): Promise<void> {
  await changeFactors(ctx, { change: "removed", method: SecondFactorMethod.TOTP }, async (ctx) => {
    const [removed] = await ctx.db.run(dropSecret, [ctx.viewer.accountId]);
    return removed ?? refuse(ProblemCode.INVALID_INPUT, "No authenticator app is set up.");
  });
}

const dropSecret = statement<{ uuid: string }>(
  "totp-remove",
  "delete from totp_secrets where account_id = $1 and confirmed_at is not null returning id as uuid",
);
