import { after, DAY } from "../clock.ts";
import { inTransaction, mustBeConfirmed, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { withinLimit } from "../problem.ts";
import { MAX_ACCESS_TOKENS, mustBeToken, newAccessToken, type WantedToken } from "./access-token-policy.ts";
import { AccessToken } from "./access-token.ts";

/** Makes an access token of the viewer's. The token itself is returned here and never again: only its hash is kept. */
export async function createAccessToken(ctx: ViewerCtx, wanted: WantedToken): Promise<{ token: string; accessToken: AccessToken }> {
  await mustBeConfirmed(ctx);
  const { name, scopes } = mustBeToken(wanted, ctx.viewer);
  const { accountId } = ctx.viewer;
  const token = newAccessToken();
  const now = ctx.clock.now();
  const uuid = newId(now);
  const directory = await ctx.dataKeys.directory();
  const accessToken = Object.assign(new AccessToken(), {
    uuid,
    accountId,
    sealedName: directory.seal({ id: uuid, field: "name" }, name),
    directory,
    scopes,
    tokenHash: ctx.keyedHash.hash("access-token", token),
    createdAt: now,
    expiresAt: after(now, wanted.expiresInDays * DAY),
    lastUsedAt: null,
    revokedAt: null,
  });
  await inTransaction(ctx, async (ctx) => {
    await ctx.db.run(lockAccount, [accountId]);
    await mustBeConfirmed(ctx); // Again, behind the lock: the session may have ended meanwhile, with all that it could leave behind
    const { n } = await ctx.db.one(countLiving, [accountId, now]);
    withinLimit(n + 1, MAX_ACCESS_TOKENS, "input", "Access tokens");
    await ctx.db.manager.insert(AccessToken, accessToken);
    await record(ctx, { action: "access-token.created", subjectId: uuid, code: scopes.join(" ") });
  });
  return { token, accessToken };
}

// Requests of one account take turns, or several at once would each find room for one more.
const lockAccount = statement("access-token-lock-account", "select from accounts where id = $1 for no key update");

const countLiving = statement<{ n: number }>(
  "access-tokens-count",
  "select count(*)::int as n from access_tokens where account_id = $1 and revoked_at is null and expires_at > $2",
);
