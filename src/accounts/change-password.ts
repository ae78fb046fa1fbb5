import { inTransaction, type ViewerCtx } from "../context.ts";
import { record } from "../ledger/record.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { Account } from "./account.ts";
import { endAccessTokens, endSessions } from "./end-access.ts";
import { mustHaveConfirmed } from "./must-have-confirmed.ts";
import { mustBeStrong } from "./password-policy.ts";
import { hashPassword } from "./password.ts";
import { hasSecondFactor } from "./second-factor.ts";
import { takeBackAll } from "./validation.ts";

/** Changes the viewer's password; every other session and every access token ends, this session goes on. What was mailed to replace the old one is void. */
export async function changePassword(ctx: ViewerCtx, input: { currentPassword: string; newPassword: string }): Promise<Date> {
  const { uuid, userId, address, language, personalPhrase } = await mustHaveConfirmed(ctx, input.currentPassword, "currentPassword");
  const organisation = ctx.config.organisation.name;
  const strength = mustBeStrong(input.newPassword, { userId, address, organisation, hasSecondFactor: await hasSecondFactor(ctx, uuid) }, "newPassword");
  const passwordHash = await hashPassword(input.newPassword);
  const now = ctx.clock.now();
  await inTransaction(ctx, async (ctx) => {
    await ctx.db.manager.update(Account, { uuid }, { passwordHash, ...strength });
    await takeBackAll(ctx, uuid);
    await queueMail(ctx, { kind: "account-changed", address, language, data: { what: "PASSWORD" }, phrase: personalPhrase });
    await record(ctx, { action: "account.password-changed", subjectId: uuid });
    await endSessions(ctx, uuid, { except: ctx.viewer.sessionId });
    await endAccessTokens(ctx, uuid);
  });
  return now;
}
