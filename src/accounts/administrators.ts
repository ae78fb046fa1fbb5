import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

/**
 * The administrators who can sign in, locked until the caller's transaction ends, so that two who take the role from each
 * other at the same moment take turns.
 */
export async function lockAdministrators(ctx: Ctx): Promise<string[]> {
  return (await ctx.db.run(lockAll)).map(({ id }) => id);
}

/** Whether somebody else could administer; locks as `lockAdministrators` does. */
export async function otherAdministrators(ctx: Ctx, accountId: string): Promise<boolean> {
  return (await lockAdministrators(ctx)).some((id) => id !== accountId);
}

// Whoever was invited and has not come yet has no means to sign in, nor has whoever was reset.
const lockAll = statement<{ id: string }>(
  "administrators-lock",
  `select a.id from accounts a where a.kind = 'ADMINISTRATOR' and a.disabled_at is null
     and (a.password_hash is not null or exists (select from passkeys p where p.account_id = a.id) or exists (select from identities i where i.account_id = a.id))
   order by a.id for no key update of a`,
);
