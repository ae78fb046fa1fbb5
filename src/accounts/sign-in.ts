import type { Ctx } from "../context.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { Account } from "./account.ts";
import { authenticatePassword } from "./authentication.ts";
import { hashPassword, isOutdated } from "./password.ts";
import { SignInMethod } from "./session.ts";
import { type SignedIn, startSession } from "./start-session.ts";

/** Checks user ID and password and starts a session. An unknown user ID and a wrong password get one answer in one time. */
export async function signIn(ctx: Ctx, input: { userId: string; password: string }): Promise<SignedIn> {
  const account = await authenticatePassword(ctx, input);
  if (account === null) refuse(ProblemCode.INVALID_CREDENTIALS, "User ID and password do not match. Check both and try again.");
  if (account.passwordHash !== null && isOutdated(account.passwordHash))
    await ctx.db.manager.update(Account, { uuid: account.uuid }, { passwordHash: await hashPassword(input.password) });
  return startSession(ctx, account, SignInMethod.PASSWORD);
}
