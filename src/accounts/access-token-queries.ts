import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { MAX_ACCESS_TOKENS } from "./access-token-policy.ts";
import { AccessToken } from "./access-token.ts";

/** The viewer's access tokens that are alive, newest first. */
export async function liveAccessTokens(ctx: ViewerCtx): Promise<AccessToken[]> {
  const rows = await ctx.db.run(tokensOfAccount, [ctx.viewer.accountId, ctx.clock.now(), MAX_ACCESS_TOKENS]);
  const directory = await ctx.dataKeys.directory();
  return rows.map((row) => Object.assign(new AccessToken(), row, { directory }));
}

const tokensOfAccount = statement<Pick<AccessToken, "uuid" | "sealedName" | "scopes" | "createdAt" | "expiresAt" | "lastUsedAt">>(
  "access-tokens-of-account",
  `select id as uuid, name as "sealedName", scopes, created_at as "createdAt", expires_at as "expiresAt", last_used_at as "lastUsedAt"
   from access_tokens where account_id = $1 and revoked_at is null and expires_at > $2 order by id desc limit $3`,
);
