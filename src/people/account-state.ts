import { registerEnumType } from "type-graphql";
import { Loader } from "../context.ts";
import { statement } from "../db/database.ts";

/** Whether somebody can sign in. */
export enum AccountState {
  INVITED = "INVITED",
  ACTIVE = "ACTIVE",
  DISABLED = "DISABLED",
}

registerEnumType(AccountState, {
  name: "AccountState",
  description: "Whether somebody can sign in.",
  valuesConfig: {
    INVITED: { description: "Not yet: the invitation was not accepted, or an administrator's account was reset." },
    ACTIVE: { description: "They can." },
    DISABLED: { description: "An administrator has taken that from them." },
  },
});

/** In SQL, whether `i` is an invitation that account `a` still waits for: whoever has signed in since, by whatever means, needs none. */
export const isPending = "(a.last_signed_in_at is null or a.last_signed_in_at <= i.created_at)";

/** Until when an account's invitation can be accepted; null where there is none to accept. */
export const invitedUntil = new Loader<string, Date | null>(async (ctx, accountIds) => {
  const rows = await ctx.db.run(pendingInvitations, [accountIds]);
  const found = new Map(rows.map(({ accountId, expiresAt }) => [accountId, expiresAt]));
  return accountIds.map((id) => found.get(id) ?? null);
});

const pendingInvitations = statement<{ accountId: string; expiresAt: Date }>(
  "invitations-pending",
  `select i.account_id as "accountId", i.expires_at as "expiresAt" from invitations i join accounts a on a.id = i.account_id
   where i.account_id = any ($1::uuid[]) and ${isPending}`,
);
