import type { Ctx } from "../context.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { Account } from "./account.ts";
import { authenticatePassword } from "./authentication.ts";
import { onDevice } from "./known-device.ts";
import { hashPassword, isOutdated } from "./password.ts";
import { proveOwner } from "./prove-owner.ts";
import { SignInMethod } from "./session.ts";
import { type SignedIn, startSession } from "./start-session.ts";

/** Who signs in, and on which device where that has no cookie. */
export interface SignInInput {
  readonly userId: string;
  readonly password: string;
  readonly deviceToken?: string | null;
}

/** Checks the second factor of whoever knows the password; true if one was given and is right, false if none is needed. */
export type SecondFactorCheck = (ctx: Ctx, account: Account) => Promise<boolean>;

/** Checks user ID and password, then the second factor, and starts a session. An unknown user ID and a wrong password get one answer in one time. */
export async function signIn(outerCtx: Ctx, { deviceToken, ...input }: SignInInput, checkSecondFactor: SecondFactorCheck): Promise<SignedIn> {
  const ctx = onDevice(outerCtx, deviceToken);
  const account = await proveOwner(ctx, input.userId, () => authenticatePassword(ctx, input));
  if (account === null) refuse(ProblemCode.INVALID_CREDENTIALS, "User ID and password do not match. Check both and try again.");
  if (account.passwordHash !== null && isOutdated(account.passwordHash)) await hashAnew(ctx, account, account.passwordHash, input.password);
  const gaveSecondFactor = await checkSecondFactor(ctx, account);
  return startSession(ctx, account, SignInMethod.PASSWORD, { gaveSecondFactor });
}

/** Replaces a hash of yesterday's strength, unless the password was changed meanwhile. */
async function hashAnew(ctx: Ctx, account: Account, outdated: string, password: string): Promise<void> {
  const passwordHash = await hashPassword(password);
  const { affected } = await ctx.db.manager.update(Account, { uuid: account.uuid, passwordHash: outdated }, { passwordHash });
  if (affected === 1) account.passwordHash = passwordHash;
}
