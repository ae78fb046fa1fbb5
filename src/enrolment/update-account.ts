import { Account, accountByKey } from "../accounts/account.ts";
import { parseDisplayName, parsePhrase } from "../accounts/profile-policy.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import type { Language } from "../mailer/language.ts";
import { notFound } from "../problem.ts";

/** What somebody can change of what their account says about them; null leaves it as it is. */
export interface Profile {
  readonly displayName: string | null;
  readonly language: Language | null;
  /** Empty for none. */
  readonly personalPhrase: string | null;
}

/** Changes the viewer's name, on their own mailboxes as well, their language, and the phrase by which they know our mail. */
export async function updateAccount(ctx: ViewerCtx, profile: Profile): Promise<Account> {
  const { accountId: uuid } = ctx.viewer;
  const displayName = profile.displayName === null ? null : parseDisplayName(profile.displayName);
  const phrase = profile.personalPhrase === null ? undefined : parsePhrase(profile.personalPhrase);
  const account = (await accountByKey.load(ctx, uuid)) ?? notFound();
  const { directory } = account;
  const changes: Partial<Account> = {
    ...(displayName === null ? {} : { name: directory.seal({ id: uuid, field: "name" }, displayName) }),
    ...(profile.language === null ? {} : { language: profile.language }),
    ...(phrase === undefined ? {} : { phrase: phrase === null ? null : directory.seal({ id: uuid, field: "phrase" }, phrase) }),
  };
  if (Object.keys(changes).length === 0) return account;
  await inTransaction(ctx, async (ctx) => {
    await ctx.db.manager.update(Account, { uuid }, changes);
    await record(ctx, { action: "account.updated", subjectId: uuid });
    if (displayName === null) return;
    for (const { id } of await ctx.db.run(ownMailboxes, [uuid, ctx.clock.now()]))
      await ctx.db.run(setName, [id, directory.seal({ id, field: "name" }, displayName)]);
  });
  return Object.assign(account, changes);
}

const ownMailboxes = statement<{ id: string }>(
  "mailboxes-own",
  `select m.id from mailbox_holders h join mailboxes m on m.id = h.mailbox_id
   where h.account_id = $1 and h.role = 'OWNER' and m.kind = 'PERSON' and (h.ends_at is null or h.ends_at > $2) order by m.id`,
);

const setName = statement("mailbox-rename", "update mailboxes set name = $2 where id = $1");
