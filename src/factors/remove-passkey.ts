import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { notFound } from "../problem.ts";
import { changeFactors } from "./factor-change.ts";

/** Removes one of the viewer's passkeys: from now on it neither signs in nor counts as a factor. */
export async function removePasskey(ctx: ViewerCtx, uuid: string): Promise<void> {
  await changeFactors(ctx, { change: "removed", method: SecondFactorMethod.PASSKEY }, async (ctx) => {
    const [removed] = await ctx.db.run(dropPasskey, [uuid, ctx.viewer.accountId]);
    return removed ?? notFound("passkeyId");
  });
}

const dropPasskey = statement<{ uuid: string }>("passkey-remove", "delete from passkeys where id = $1 and account_id = $2 returning id as uuid");
