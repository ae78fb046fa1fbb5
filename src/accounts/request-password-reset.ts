import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { countAttempts } from "./throttle.ts";
import { newToken, requestCode } from "./validation.ts";

const MAX_LOGIN_LENGTH = 254;

/** What the page that asked keeps, to send it along with the code. */
export interface ResetRequest {
  readonly resetToken: string;
  readonly expiresAt: Date;
}

/**
 * Asks for a code with which the password can be replaced. Whoever is unknown, closed, disabled or has no password gets the
 * same answer in the same time, and no mail. Requests do not void one another, or anybody could keep others from theirs.
 */
export async function requestPasswordReset(ctx: Ctx, { userIdOrAddress }: { userIdOrAddress: string }): Promise<ResetRequest> {
  const login = userIdOrAddress.trim().toLowerCase().slice(0, MAX_LOGIN_LENGTH).replaceAll("\0", "");
  await countAttempts(ctx, { rule: "reset/source", key: ctx.source }, { rule: "reset/account", key: login });
  const [account] = await ctx.db.run(accountByLogin, [login]);
  const resetToken = newToken();
  const expiresAt = await requestCode(ctx, { purpose: "RESET", asker: resetToken, address: account?.address ?? null, accountId: account?.id ?? null });
  return { resetToken, expiresAt };
}

/** By address first: a user ID may look like an address that has become somebody else's. */
const accountByLogin = statement<{ id: string; address: string }>(
  "account-by-login",
  `select id, address from (
     select 1 as n, id, address from accounts where address = $1 and disabled_at is null and password_hash is not null
     union all select 2, id, address from accounts where user_id = $1 and disabled_at is null and password_hash is not null
   ) as found order by n limit 1`,
);
