import { type Account, phraseOf } from "../accounts/account.ts";
import { mustHaveSecondFactor } from "../accounts/second-factor-policy.ts";
import { inTransaction, mustBeConfirmed, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import type { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { record } from "../ledger/record.ts";
import type { FactorChange } from "../mailer/texts/factor-changed.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";

/** What is done to somebody's factors. */
export interface Change {
  readonly change: FactorChange;
  readonly method: SecondFactorMethod;
}

/**
 * Changes the viewer's factors: only for who proved lately who they are, one change of an account at a time, recorded, and
 * told by mail. `work` does it and returns what it was done to. Whoever adds a factor has given it in this session; whoever
 * removes their last one loses their recovery codes, too, and may not where one is required.
 */
export async function changeFactors<T extends { uuid: string }>(ctx: ViewerCtx, { change, method }: Change, work: (ctx: ViewerCtx) => Promise<T>): Promise<T> {
  return inTransaction(ctx, async (ctx) => {
    const { viewer, clock, db } = ctx;
    const now = clock.now();
    const [account] = await db.run(lockAccount, [viewer.accountId]);
    if (account === undefined) notFound();
    await mustBeConfirmed(ctx); // Behind the lock: a factor added at this moment is asked for
    const result = await work(ctx);
    const { hasFactor } = await db.one(settleAccount, [viewer.accountId, now]);
    if (change === "added") await db.run(letGo, [viewer.sessionId, now]);
    if (!hasFactor) {
      if (mustHaveSecondFactor(ctx.config, account.kind))
        refuse(ProblemCode.SECOND_FACTOR_REQUIRED, "You must have a second factor. Set up another one before you remove this.");
      if (account.passwordNeedsFactor)
        refuse(ProblemCode.WEAK_PASSWORD, "Your password is too short to stand alone. Choose a longer one first, then remove this.");
      await db.run(dropCodes, [viewer.accountId]);
    }
    await record(ctx, { action: change === "removed" ? "factor.removed" : "factor.added", subjectId: result.uuid, code: method });
    const { address, language } = account;
    const phrase = await phraseOf(ctx, { uuid: viewer.accountId, phrase: account.phrase });
    await queueMail(ctx, { kind: "factor-changed", address, language, data: { change, method }, phrase });
    return result;
  });
}

const lockAccount = statement<Pick<Account, "kind" | "address" | "language" | "phrase" | "passwordNeedsFactor">>(
  "factors-lock",
  'select kind, address, language, phrase, password_needs_factor as "passwordNeedsFactor" from accounts where id = $1 and disabled_at is null for update',
);

const settleAccount = statement<{ hasFactor: boolean }>(
  "factors-settle",
  `update accounts set second_factor_at = case
     when exists (select from passkeys where account_id = $1) or exists (select from totp_secrets where account_id = $1 and confirmed_at is not null)
     then coalesce(second_factor_at, $2::timestamptz) end
   where id = $1 returning second_factor_at is not null as "hasFactor"`,
);

const letGo = statement("factors-let-go", "update sessions set second_factor_at = $2 where id = $1");

const dropCodes = statement("recovery-codes-drop", "delete from recovery_codes where account_id = $1");
