import { type Ctx, inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { topicOfSession } from "../ledger/bus.ts";
import { record } from "../ledger/record.ts";
import { notFound } from "../problem.ts";

/** Ends one of the viewer's own sessions, everywhere within two seconds: its sockets close, its token is dead. */
export async function revokeSession(ctx: ViewerCtx, sessionId: string): Promise<Date> {
  const now = ctx.clock.now();
  await inTransaction(ctx, async (ctx) => {
    const ended = await ctx.db.run(endSession, [sessionId, ctx.viewer.accountId, now]);
    if (ended.length === 0) notFound("sessionId");
    await sayEnded(ctx, ended);
  });
  return now;
}

/** Ends all of the viewer's sessions but the one that asks; returns how many there were. */
export async function revokeOtherSessions(ctx: ViewerCtx): Promise<{ revokedAt: Date; revokedCount: number }> {
  const revokedCount = await endSessionsOf(ctx, ctx.viewer.accountId, ctx.viewer.sessionId);
  return { revokedAt: ctx.clock.now(), revokedCount };
}

/** Ends the sessions of an account, all or all but one, in the caller's transaction if there is one; returns how many. */
export async function endSessionsOf(ctx: Ctx, accountId: string, exceptSessionId: string | null = null): Promise<number> {
  return inTransaction(ctx, async (ctx) => {
    const ended = await ctx.db.run(endSessions, [accountId, exceptSessionId, ctx.clock.now()]);
    await sayEnded(ctx, ended);
    return ended.length;
  });
}

/** Ends the session that asks, and takes the browser's cookie away. */
export async function signOut(ctx: ViewerCtx): Promise<Date> {
  const signedOutAt = await revokeSession(ctx, ctx.viewer.sessionId);
  ctx.setSessionCookie(null, signedOutAt);
  return signedOutAt;
}

/** Records in the caller's transaction that these sessions have ended, and tells every node after it. */
export async function sayEnded(ctx: Ctx, sessions: readonly { readonly id: string }[]): Promise<void> {
  await record(ctx, ...sessions.map(({ id }) => ({ action: "session.ended" as const, subjectId: id })));
  for (const { id } of sessions) ctx.transaction?.topics.add(topicOfSession(id));
}

const endSession = statement<{ id: string }>(
  "session-end",
  "update sessions set revoked_at = $3 where id = $1 and account_id = $2 and revoked_at is null and expires_at > $3 returning id",
);

const endSessions = statement<{ id: string }>(
  "sessions-end",
  "update sessions set revoked_at = $3 where account_id = $1 and id is distinct from $2::uuid and revoked_at is null and expires_at > $3 returning id",
);
