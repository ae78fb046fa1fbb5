import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

/** Removes every second factor of an account, in the caller's transaction, for whoever lost them all. The caller records why. */
export async function removeAllFactors(ctx: Ctx, accountId: string): Promise<void> {
  await ctx.db.run(dropAll, [accountId]);
  await ctx.db.run(forget, [accountId]);
}

const dropAll = statement(
  "factors-drop-all",
  `with keys as (delete from passkeys where account_id = $1), secrets as (delete from totp_secrets where account_id = $1)
   delete from recovery_codes where account_id = $1`,
);

const forget = statement("factors-forget", "update accounts set second_factor_at = null where id = $1");
