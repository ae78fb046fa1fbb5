import { type Ctx, inTransaction } from "../context.ts";
import { record } from "../ledger/record.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { Account, accountByKey } from "./account.ts";
import { endAccess } from "./end-access.ts";
import { mustBeStrong } from "./password-policy.ts";
import { hashPassword } from "./password.ts";
import { hasSecondFactor } from "./second-factor.ts";
import { countAttempts } from "./throttle.ts";
import { findProved, invalidCode, redeem, takeBackAll } from "./validation.ts";

/** A code with the `resetToken` it was asked for with, or the token of the mail's link. */
export interface PasswordReset {
  readonly resetToken: string | null;
  readonly code: string | null;
  readonly token: string | null;
  readonly newPassword: string;
}

/**
 * Sets a new password by what was mailed. Every session ends and none begins: a second factor stays what it is. A password that is
 * too weak costs neither the code nor an attempt.
 */
export async function resetPassword(ctx: Ctx, { resetToken, code, token, newPassword }: PasswordReset): Promise<Date> {
  await countAttempts(ctx, { rule: "code/source", key: ctx.source }, { rule: "code/request", key: token ?? resetToken ?? "" });
  const validation = await findProved(ctx, "RESET", { asker: resetToken, code, token });
  const account = validation.accountId === null ? undefined : await accountByKey.load(ctx, validation.accountId);
  if (account === undefined || account.disabledAt !== null || account.passwordHash === null) invalidCode();
  const { uuid, userId, address, language, personalPhrase } = account;
  const organisation = ctx.config.organisation.name;
  const strength = mustBeStrong(newPassword, { userId, address, organisation, hasSecondFactor: await hasSecondFactor(ctx, uuid) }, "newPassword");
  const passwordHash = await hashPassword(newPassword);
  const now = ctx.clock.now();
  await inTransaction(ctx, async (ctx) => {
    await redeem(ctx, validation);
    await takeBackAll(ctx, uuid);
    await ctx.db.manager.update(Account, { uuid }, { passwordHash, ...strength });
    await queueMail(ctx, { kind: "account-changed", address, language, data: { what: "PASSWORD" }, phrase: personalPhrase });
    await record(ctx, { action: "account.password-reset", actorId: uuid, subjectId: uuid });
    await endAccess(ctx, uuid, { actorId: uuid });
  });
  return now;
}
