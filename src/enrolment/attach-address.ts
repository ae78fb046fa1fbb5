import { accountByKey } from "../accounts/account.ts";
import { countAttempts } from "../accounts/throttle.ts";
import { findByToken, invalidCode, redeem } from "../accounts/validation.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { record } from "../ledger/record.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { type Mailbox, MailboxKind } from "../mailboxes/mailbox.ts";
import { letIn, openMailbox } from "../mailboxes/open-mailbox.ts";
import { notFound } from "../problem.ts";
import { hasOwner, lockAddress, mustBeExternal } from "./address-owner.ts";
import { mustBeExternalPerson } from "./external-person.ts";

/** Makes an address that was just validated, and its mailbox with the mail that waits there, one more of the viewer's. */
export async function attachAddress(ctx: ViewerCtx, { enrolmentToken }: { enrolmentToken: string }): Promise<Mailbox> {
  mustBeExternalPerson(ctx);
  const { accountId } = ctx.viewer;
  await countAttempts(ctx, { rule: "enrol/source", key: ctx.source }, { rule: "enrol/token", key: enrolmentToken });
  const validation = await findByToken(ctx, "ENROL", enrolmentToken);
  const { address } = validation;
  mustBeExternal(ctx, address, "enrolmentToken");
  const { displayName } = (await accountByKey.load(ctx, accountId)) ?? notFound();
  const mailboxId = await inTransaction(ctx, async (ctx) => {
    await redeem(ctx, validation);
    await lockAddress(ctx, address);
    if (await hasOwner(ctx, address)) invalidCode();
    await record(ctx, { action: "address.attached", subjectId: accountId });
    const mailboxId = await openMailbox(ctx, { address, kind: MailboxKind.PERSON, displayName });
    await letIn(ctx, { mailboxId, accountId });
    return mailboxId;
  });
  return (await findHeldMailbox(ctx, mailboxId)) ?? notFound();
}
