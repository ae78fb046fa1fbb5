import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { notFound } from "../problem.ts";
import { endSessions, tellEnded } from "./end-access.ts";

/** Ends one of the viewer's own sessions, everywhere within two seconds: its sockets close, its token is dead. */
export async function revokeSession(ctx: ViewerCtx, sessionId: string): Promise<Date> {
  const now = ctx.clock.now();
  await inTransaction(ctx, async (ctx) => {
    const ended = await ctx.db.run(endSession, [sessionId, ctx.viewer.accountId, now]);
    if (ended.length === 0) notFound("sessionId");
    await tellEnded(ctx, ended);
  });
  return now;
}

/** Ends all of the viewer's sessions but the one that asks; returns how many there were. */
export async function revokeOtherSessions(ctx: ViewerCtx): Promise<{ revokedAt: Date; revokedCount: number }> {
  const revokedCount = await endSessions(ctx, ctx.viewer.accountId, { except: ctx.viewer.sessionId });
  return { revokedAt: ctx.clock.now(), revokedCount };
}

/** Ends the session that asks, and takes the browser's cookie away. */
export async function signOut(ctx: ViewerCtx): Promise<Date> {
  const signedOutAt = await revokeSession(ctx, ctx.viewer.sessionId);
  ctx.setSessionCookie(null, signedOutAt);
  return signedOutAt;
}

const endSession = statement<{ id: string }>(
  "session-end",
  "update sessions set revoked_at = $3 where id = $1 and account_id = $2 and revoked_at is null and expires_at > $3 returning id",
);
