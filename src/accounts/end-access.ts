import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { topicOfSession } from "../ledger/bus.ts";
import { record } from "../ledger/record.ts";

/** How the ledger tells that sessions ended: who ended them, the viewer if left out, and why. */
export interface Ending {
  readonly actorId?: string | null;
  readonly code?: string;
}

/** Ends an account's sessions, all or all but one: within two seconds of the commit they are dead and their sockets closed, on all nodes. Returns how many. */
export async function endSessions(
  ctx: Ctx,
  accountId: string,
  { except = null, ...ending }: Ending & { readonly except?: string | null } = {},
): Promise<number> {
  return inTransaction(ctx, async (ctx) => {
    const ended = await ctx.db.run(endAll, [accountId, except, ctx.clock.now()]);
    await tellEnded(ctx, ended, ending);
    return ended.length;
  });
}

/** Records in the caller's transaction that sessions have ended, and tells every node after it. */
export async function tellEnded(ctx: Ctx, sessions: readonly { readonly id: string }[], ending: Ending = {}): Promise<void> {
  await record(ctx, ...sessions.map(({ id }) => ({ action: "session.ended" as const, subjectId: id, ...ending })));
  signal(ctx, sessions);
}

/** Ends every session and every access token of an account, in the caller's transaction, everywhere. */
export async function endAccess(ctx: Ctx, accountId: string, ending: Ending = {}): Promise<void> {
  await endSessions(ctx, accountId, ending);
  await endAccessTokens(ctx, accountId);
}

/** Ends every access token of an account, in the caller's transaction. */
export async function endAccessTokens(ctx: Ctx, accountId: string): Promise<void> {
  signal(ctx, await ctx.db.run(endTokens, [accountId, ctx.clock.now()]));
}

/** Ends all that stands on a role which an account has lost or gained: its sessions, its tokens for administration, and the sockets of its other tokens. */
export async function endAccessOfRole(ctx: Ctx, accountId: string, ending: Ending = {}): Promise<void> {
  await endSessions(ctx, accountId, ending);
  await ctx.db.run(endAdminTokens, [accountId, ctx.clock.now()]);
  signal(ctx, await ctx.db.run(tokensOf, [accountId]));
}

function signal({ transaction }: Ctx, ended: readonly { id: string }[]): void {
  for (const { id } of ended) transaction?.topics.add(topicOfSession(id));
}

const endAll = statement<{ id: string }>(
  "sessions-end",
  "update sessions set revoked_at = $3 where account_id = $1 and id is distinct from $2::uuid and revoked_at is null and expires_at > $3 returning id",
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
