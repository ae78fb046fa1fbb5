import { countAttempts } from "../accounts/throttle.ts";
import { before, HOUR } from "../clock.ts";
import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { changeFactors } from "./factor-change.ts";
import { firstRecoveryCodes } from "./recovery-codes.ts";
import { stepOfCode } from "./totp-code.ts";

/** For how long a secret waits for its first code. */
export const TOTP_SETUP_HOURS = 1;

/** Takes an authenticator app into use, by its first code, in the place of an earlier one. Returns recovery codes where there were none. */
export async function confirmTotp(ctx: ViewerCtx, code: string): Promise<string[]> {
  const { accountId } = ctx.viewer;
  await countAttempts(ctx, { rule: "second-factor/account", key: accountId });
  const { codes } = await changeFactors(ctx, { change: "added", method: SecondFactorMethod.TOTP }, async (ctx) => {
    const now = ctx.clock.now();
    const [waiting] = await ctx.db.run(waitingSecret, [accountId, before(now, TOTP_SETUP_HOURS * HOUR)]);
    if (waiting === undefined) refuse(ProblemCode.INVALID_INPUT, "There is no authenticator app to be confirmed. Begin by beginTotpSetup.");
    const directory = await ctx.dataKeys.directory();
    const step = stepOfCode(directory.open<string>({ id: waiting.uuid, field: "totp" }, waiting.secret), code, now, null);
    if (step === null)
      refuse(ProblemCode.INVALID_INPUT, "The code does not fit. Type the six digits that the app shows now, and check the device's clock.", { field: "code" });
    await ctx.db.run(dropEarlier, [accountId]);
    await ctx.db.run(takeIntoUse, [waiting.uuid, now, step]);
    return { uuid: waiting.uuid, codes: await firstRecoveryCodes(ctx) };
  });
  return codes;
}

const waitingSecret = statement<{ uuid: string; secret: Buffer }>(
  "totp-waiting",
  "select id as uuid, secret from totp_secrets where account_id = $1 and confirmed_at is null and created_at > $2",
);

const dropEarlier = statement("totp-drop-earlier", "delete from totp_secrets where account_id = $1 and confirmed_at is not null");

const takeIntoUse = statement("totp-confirm", "update totp_secrets set confirmed_at = $2, last_step = $3 where id = $1");
