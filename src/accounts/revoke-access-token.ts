import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { topicOfSession } from "../ledger/bus.ts";
import { record } from "../ledger/record.ts";
import { notFound } from "../problem.ts";

/** Ends one of the viewer's own access tokens, everywhere within two seconds: its sockets close, too. */
export async function revokeAccessToken(ctx: ViewerCtx, accessTokenId: string): Promise<Date> {
  const now = ctx.clock.now();
  await inTransaction(ctx, async (ctx) => {
    const ended = await ctx.db.run(endToken, [accessTokenId, ctx.viewer.accountId, now]);
    if (ended.length === 0) notFound("accessTokenId");
    await record(ctx, { action: "access-token.revoked", subjectId: accessTokenId });
    ctx.transaction?.topics.add(topicOfSession(accessTokenId));
  });
  return now;
}

const endToken = statement<{ id: string }>(
  "access-token-end",
  "update access_tokens set revoked_at = $3 where id = $1 and account_id = $2 and revoked_at is null and expires_at > $3 returning id",
);
