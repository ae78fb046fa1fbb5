import { type Account, accountByKey } from "../accounts/account.ts";
import { verifyPassword } from "../accounts/password.ts";
import { SignInMethod } from "../accounts/session.ts";
import { type Attempt, countAttempts, forgiveAttempts } from "../accounts/throttle.ts";
import { after, MINUTE } from "../clock.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { checkSecondFactor, type SecondFactor } from "./check-second-factor.ts";
import { type PasskeyAnswer, usePasskey } from "./use-passkey.ts";

/** A new proof of who somebody is: a passkey, or their password and their second factor if they have one. */
export type Proof = { readonly passkey: PasskeyAnswer } | { readonly password: string; readonly secondFactor: SecondFactor | null };

/** Proves again, within a session, who uses it. Returns until when that counts for exports and administration. */
export async function confirmIdentity(ctx: ViewerCtx, proof: Proof): Promise<Date> {
  const { accountId, sessionId } = ctx.viewer;
  const attempt: Attempt = { rule: "confirm-identity/account", key: accountId };
  await countAttempts(ctx, attempt);
  const account = (await accountByKey.load(ctx, accountId)) ?? notFound();
  const isStrong = "passkey" in proof ? await checkPasskey(ctx, proof.passkey) : await checkPassword(ctx, account, proof);
  await forgiveAttempts(ctx, attempt);
  const now = ctx.clock.now();
  await inTransaction(ctx, async (ctx) => {
    const confirmed = await ctx.db.run(confirmSession, [sessionId, now, isStrong]);
    if (confirmed.length === 0) refuse(ProblemCode.STEP_UP_REQUIRED, "Only a session that was signed in can be confirmed. Sign in to do this.");
    const code = "passkey" in proof ? SignInMethod.PASSKEY : SignInMethod.PASSWORD;
    await record(ctx, { action: "session.confirmed", subjectId: sessionId, code });
  });
  return after(now, ctx.config.stepUpMinutes * MINUTE);
}

async function checkPasskey(ctx: ViewerCtx, answer: PasskeyAnswer): Promise<boolean> {
  if ((await usePasskey(ctx, answer, ctx.viewer.accountId)) !== null) return true;
  refuse(ProblemCode.INVALID_CREDENTIALS, "This passkey is not yours, or its answer does not fit. Try again.", { field: "passkey" });
}

async function checkPassword(ctx: ViewerCtx, account: Account, { password, secondFactor }: { password: string; secondFactor: SecondFactor | null }) {
  if (await verifyPassword(account.passwordHash, password)) return checkSecondFactor(ctx, account, secondFactor);
  refuse(ProblemCode.INVALID_CREDENTIALS, "The password does not match. Check it and try again.", { field: "password" });
}

const confirmSession = statement<{ id: string }>(
  "session-confirm",
  `update sessions set confirmed_at = $2, second_factor_at = case when $3 then $2 else second_factor_at end
   where id = $1 and revoked_at is null returning id`,
);
