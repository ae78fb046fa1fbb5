import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { findInvited } from "./resend-invitation.ts";

/**
 * Takes an invitation back: the link is dead. An account that nobody has ever been in goes with it; its mailbox stays for
 * whoever is invited to that address next.
 */
export async function revokeInvitation(ctx: ViewerCtx, accountId: string): Promise<Date> {
  await inTransaction(ctx, async (ctx) => {
    const { isUnused } = await findInvited(ctx, accountId);
    await ctx.db.run(removeInvitation, [accountId]);
    if (isUnused) {
      await ctx.db.run(removeHolders, [accountId]);
      await ctx.db.run(removeAccount, [accountId]);
    }
    await record(ctx, { action: "invitation.revoked", subjectId: accountId });
  });
  return ctx.clock.now();
}

const removeInvitation = statement("invitation-remove", "delete from invitations where account_id = $1");
const removeHolders = statement("invitation-remove-holders", "delete from mailbox_holders where account_id = $1");
const removeAccount = statement("invitation-remove-account", "delete from accounts where id = $1");
