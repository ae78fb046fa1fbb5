import type { ViewerCtx } from "../context.ts";
import { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { changeFactors } from "./factor-change.ts";
import { hasSecondFactor } from "./factor-queries.ts";
import { makeRecoveryCodes } from "./recovery-codes.ts";

/** Makes ten new recovery codes in the place of all old ones; only for who has a factor that they can stand in for. */
export async function regenerateRecoveryCodes(ctx: ViewerCtx): Promise<string[]> {
  const { codes } = await changeFactors(ctx, { change: "renewed", method: SecondFactorMethod.RECOVERY_CODE }, async (ctx) => {
    if (!(await hasSecondFactor(ctx)))
      refuse(ProblemCode.INVALID_INPUT, "Recovery codes stand in for a passkey or an authenticator app. Set up one of these first.");
    return { uuid: ctx.viewer.accountId, codes: await makeRecoveryCodes(ctx) };
  });
  return codes;
}
