import { endAccessTokens, endSessions } from "../accounts/end-access.ts";
import { Account, accountByKey } from "../accounts/account.ts";
import { countAttempts } from "../accounts/throttle.ts";
import { findProved, invalidCode, redeem, takeBackAll } from "../accounts/validation.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { brokenConstraint } from "../db/broken-constraint.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { MailboxKind } from "../mailboxes/mailbox.ts";
import { letIn, openMailbox } from "../mailboxes/open-mailbox.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { hasOwner, lockAddress } from "./address-owner.ts";
import { mustBeExternalPerson } from "./external-person.ts";

/**
 * Makes the address that was mailed to the viewer's own. The mailbox of the old one stays theirs with its mail, the new one's
 * becomes theirs, too; both addresses are told. Other sessions and access tokens end. Resets that were mailed to the old one are void.
 */
export async function confirmAddressChange(ctx: ViewerCtx, { code, token }: { code: string | null; token: string | null }): Promise<Account> {
  mustBeExternalPerson(ctx);
  const { accountId } = ctx.viewer;
  await countAttempts(ctx, { rule: "code/request", key: accountId });
  const validation = await findProved(ctx, "CHANGE_ADDRESS", { asker: accountId, code, token });
  if (validation.accountId !== accountId) invalidCode();
  const { address } = validation;
  const account = (await accountByKey.load(ctx, accountId)) ?? notFound();
  await orTaken(() =>
    inTransaction(ctx, async (ctx) => {
      await redeem(ctx, validation);
      await lockAddress(ctx, address);
      const isOwn = (await ctx.db.run(ownMailbox, [address, accountId, ctx.clock.now()])).length > 0;
      if (!isOwn && (await hasOwner(ctx, address))) addressTaken();
      await ctx.db.manager.update(Account, { uuid: accountId }, { address });
      await takeBackAll(ctx, accountId);
      const told = { kind: "account-changed", language: account.language, data: { what: "ADDRESS" }, phrase: account.personalPhrase } as const;
      for (const one of new Set([account.address, address])) await queueMail(ctx, { ...told, address: one });
      await record(ctx, { action: "account.address-changed", subjectId: accountId });
      await endSessions(ctx, accountId, { except: ctx.viewer.sessionId });
      await endAccessTokens(ctx, accountId);
      const mailboxId = await openMailbox(ctx, { address, kind: MailboxKind.PERSON, displayName: account.displayName });
      await letIn(ctx, { mailboxId, accountId });
    }),
  );
  return Object.assign(account, { address });
}

async function orTaken(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (brokenConstraint(error) === "accounts_address_key") addressTaken();
    throw error;
  }
}

function addressTaken(): never {
  refuse(ProblemCode.ADDRESS_TAKEN, "This address belongs to another account. Sign in there, or choose another.", { field: "address" });
}

const ownMailbox = statement<{ id: string }>(
  "address-own-mailbox",
  `select m.id from mailboxes m join mailbox_holders h on h.mailbox_id = m.id
   where m.address = $1 and h.account_id = $2 and h.role = 'OWNER' and (h.ends_at is null or h.ends_at > $3)`,
);
