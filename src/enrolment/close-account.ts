import { Account } from "../accounts/account.ts";
import { endAccess } from "../accounts/end-access.ts";
import { mustHaveConfirmed } from "../accounts/must-have-confirmed.ts";
import { takeBackAll } from "../accounts/validation.ts";
import { inTransaction, mustBeConfirmed, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { mustBeExternalPerson } from "./external-person.ts";

/**
 * Closes the viewer's account: its sessions end, it can never be signed in to again, and it keeps neither user ID nor address,
 * password or phrase. Its mailboxes wait again with their mail, which goes on its own day: a later notice lets whoever
 * reads the address enrol anew, and they find what is left.
 */
export async function closeAccount(ctx: ViewerCtx, { password }: { password: string }): Promise<Date> {
  mustBeExternalPerson(ctx);
  await mustBeConfirmed(ctx);
  const { uuid, address, language, personalPhrase } = await mustHaveConfirmed(ctx, password, "password");
  const now = ctx.clock.now();
  await inTransaction(ctx, async (ctx) => {
    const nothing = { userId: `closed-${uuid}`, address: `${uuid}@closed.invalid`, passwordHash: null, phrase: null };
    await ctx.db.manager.update(Account, { uuid }, { ...nothing, disabledAt: now });
    await ctx.db.run(letGo, [uuid, now]);
    await takeBackAll(ctx, uuid);
    await queueMail(ctx, { kind: "account-changed", address, language, data: { what: "CLOSED" }, phrase: personalPhrase });
    await record(ctx, { action: "account.closed", subjectId: uuid });
    await endAccess(ctx, uuid);
  });
  ctx.setSessionCookie(null, now);
  return now;
}

const letGo = statement("holders-let-go", "update mailbox_holders set ends_at = $2 where account_id = $1 and (ends_at is null or ends_at > $2)");
