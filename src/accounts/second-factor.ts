import type { Ctx } from "../context.ts";

/** Whether an account asks for more than a password at sign-in; a shorter password will do then. */
export async function hasSecondFactor(_ctx: Ctx, _accountId: string): Promise<boolean> {
  return false;
}
