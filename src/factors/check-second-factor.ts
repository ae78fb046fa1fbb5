import type { Account } from "../accounts/account.ts";
import { type Attempt, countAttempts, forgiveAttempts } from "../accounts/throttle.ts";
import type { Ctx } from "../context.ts";
import { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { methodsOf } from "./factor-queries.ts";
import { useRecoveryCode } from "./recovery-codes.ts";
import { type PasskeyAnswer, usePasskey } from "./use-passkey.ts";
import { useTotp } from "./use-totp.ts";

/** A second factor, by one of three means. */
export type SecondFactor = { readonly totp: string } | { readonly recoveryCode: string } | { readonly passkey: PasskeyAnswer };

/**
 * Checks the second factor of somebody whose password is right, and uses it up. True if it is right; false where the account
 * has none to give. Refuses with what the account has if none is given, and counts every attempt.
 */
export async function checkSecondFactor(ctx: Ctx, account: Account, given: SecondFactor | null): Promise<boolean> {
  if (account.secondFactorAt === null) return false;
  if (given === null) {
    const methods = await methodsOf(ctx, account.uuid);
    refuse(ProblemCode.SECOND_FACTOR_REQUIRED, "Give a second factor as well: one of those that `methods` names.", { field: "secondFactor", methods });
  }
  const attempt: Attempt = { rule: "second-factor/account", key: account.uuid };
  await countAttempts(ctx, attempt);
  if (!(await isRight(ctx, account.uuid, given)))
    refuse(ProblemCode.INVALID_CREDENTIALS, "The second factor does not fit, or was used before. Try again with a new one.", { field: "secondFactor" });
  await forgiveAttempts(ctx, attempt);
  return true;
}

async function isRight(ctx: Ctx, accountId: string, given: SecondFactor): Promise<boolean> {
  if ("passkey" in given) return (await usePasskey(ctx, given.passkey, accountId)) !== null;
  const [isRight, code] =
    "totp" in given
      ? [await useTotp(ctx, accountId, given.totp), SecondFactorMethod.TOTP]
      : [await useRecoveryCode(ctx, accountId, given.recoveryCode), SecondFactorMethod.RECOVERY_CODE];
  if (isRight) await record(ctx, { action: "factor.used", actorId: accountId, subjectId: accountId, code });
  return isRight;
}
