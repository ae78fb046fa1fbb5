import { IsNull, Not } from "typeorm";
import type { Ctx } from "../context.ts";
import { Account } from "./account.ts";

/** Whether an account asks for more than a password at sign-in; a shorter password will do then. */
export async function hasSecondFactor(ctx: Ctx, accountId: string): Promise<boolean> {
  return ctx.db.manager.existsBy(Account, { uuid: accountId, secondFactorAt: Not(IsNull()) });
}
