import { type Account, accountByKey } from "../accounts/account.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import type { Language } from "../mailer/language.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { isPending } from "./account-state.ts";
import { mailInvitation } from "./add-employees.ts";
import { issueInvitations } from "./invitation.ts";

/** Sends somebody who has not accepted theirs a fresh invitation; the old link is dead. */
export async function resendInvitation(ctx: ViewerCtx, accountId: string): Promise<Account> {
  await inTransaction(ctx, async (ctx) => {
    const account = await findInvited(ctx, accountId);
    if (account.isDisabled) refuse(ProblemCode.INVALID_INPUT, "This account is disabled. Enable it first.", { field: "accountId" });
    const [token = ""] = await issueInvitations(ctx, [accountId]);
    await mailInvitation(ctx, { ...account, token });
    await record(ctx, { action: "invitation.sent", subjectId: accountId });
  });
  return (await accountByKey.load(ctx, accountId)) ?? notFound("accountId");
}

/** An account that waits for its invitation to be accepted, locked until the transaction ends; refuses every other. */
export async function findInvited(ctx: ViewerCtx, accountId: string): Promise<InvitedAccount> {
  const [account] = await ctx.db.run(lockAccount, [accountId]);
  if (account === undefined) notFound("accountId");
  const [invitation] = await ctx.db.run(pendingInvitation, [accountId]);
  if (invitation === undefined) refuse(ProblemCode.INVALID_INPUT, "This account waits for no invitation: it was accepted or revoked.", { field: "accountId" });
  return account;
}

interface InvitedAccount {
  readonly address: string;
  readonly language: Language;
  readonly isDisabled: boolean;
  /** Nobody has ever been in it. */
  readonly isUnused: boolean;
}

const lockAccount = statement<{ address: string; language: Language; isDisabled: boolean; isUnused: boolean }>(
  "invitation-lock-account",
  `select address, language, disabled_at is not null as "isDisabled", last_signed_in_at is null and password_hash is null as "isUnused"
   from accounts where id = $1 for update`,
);

const pendingInvitation = statement<{ id: string }>(
  "invitation-pending",
  `select a.id from invitations i join accounts a on a.id = i.account_id where i.account_id = $1 and ${isPending}`,
);
