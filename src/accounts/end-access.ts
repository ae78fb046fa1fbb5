import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { topicOfSession } from "../ledger/bus.ts";

/**
 * Ends every session and every access token of an account, in the caller's transaction: within a second of its commit
 * they are dead and their sockets closed, on all nodes. The caller records why.
 */
export async function endAccess(ctx: Ctx, accountId: string): Promise<void> {
  await endAllSessions(ctx, accountId);
  await endAccessTokens(ctx, accountId);
}

/** Ends every access token of an account, in the caller's transaction. */
export async function endAccessTokens(ctx: Ctx, accountId: string): Promise<void> {
  signal(ctx, await ctx.db.run(endTokens, [accountId, ctx.clock.now()]));
}

/** Ends all that stands on a role which an account has lost or gained: its sessions, its tokens for administration, and the sockets of its other tokens. */
export async function endAccessOfRole(ctx: Ctx, accountId: string): Promise<void> {
  await endAllSessions(ctx, accountId);
  await ctx.db.run(endAdminTokens, [accountId, ctx.clock.now()]);
  signal(ctx, await ctx.db.run(tokensOf, [accountId]));
}

async function endAllSessions(ctx: Ctx, accountId: string): Promise<void> {
  signal(ctx, await ctx.db.run(endSessions, [accountId, ctx.clock.now()]));
}

function signal({ transaction }: Ctx, ended: readonly { id: string }[]): void {
  for (const { id } of ended) transaction?.topics.add(topicOfSession(id));
}

const endSessions = statement<{ id: string }>(
  "access-end-sessions",
  "update sessions set revoked_at = $2 where account_id = $1 and revoked_at is null and expires_at > $2 returning id",
);

const endTokens = statement<{ id: string }>(
  "access-tokens-end-all",
  "update access_tokens set revoked_at = $2 where account_id = $1 and revoked_at is null and expires_at > $2 returning id",
);

const endAdminTokens = statement(
  "access-tokens-end-admin",
  "update access_tokens set revoked_at = $2 where account_id = $1 and revoked_at is null and expires_at > $2 and 'ADMIN' = any (scopes)",
);

const tokensOf = statement<{ id: string }>("access-tokens-of-role", "select id from access_tokens where account_id = $1");
