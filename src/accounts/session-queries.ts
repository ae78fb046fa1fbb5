import { before, MINUTE } from "../clock.ts";
import { type Ctx, type Services, type ViewerCtx } from "../context.ts";
import { poolOf, statement } from "../db/database.ts";
import { Session } from "./session.ts";

const MAX_SESSIONS = 100;

/** The viewer's sessions that are alive, newest first. */
export async function liveSessions(ctx: ViewerCtx): Promise<Session[]> {
  const rows = await ctx.db.run(sessionsOfAccount, [ctx.viewer.accountId, ...aliveAt(ctx), MAX_SESSIONS]);
  return rows.map((row) => Object.assign(new Session(), row, { isCurrent: row.uuid === ctx.viewer.sessionId }));
}

/** Which of these sessions are still alive; asked every second for those with an open socket. */
export async function stillAlive(services: Services, sessionIds: string[]): Promise<Set<string>> {
  const { rows } = await poolOf(services.dataSource).query<{ id: string }>({ ...aliveSessions, values: [sessionIds, ...aliveAt(services)] });
  return new Set(rows.map(({ id }) => id));
}

/** What a session is compared with to see whether it is alive: it ends after the first, and was last used after the second. */
export function aliveAt({ clock, config }: Pick<Ctx, "clock" | "config">): [Date, Date] {
  const now = clock.now();
  return [now, before(now, config.session.idleMinutes * MINUTE)];
}

const sessionsOfAccount = statement<Pick<Session, "uuid" | "client" | "method" | "createdAt" | "lastUsedAt" | "expiresAt">>(
  "sessions-of-account",
  `select id as uuid, client, method, created_at as "createdAt", last_used_at as "lastUsedAt", expires_at as "expiresAt" from sessions
   where account_id = $1 and revoked_at is null and expires_at > $2 and last_used_at > $3 order by id desc limit $4`,
);

const aliveSessions = statement<{ id: string }>(
  "sessions-alive",
  `select s.id from sessions s join accounts a on a.id = s.account_id
   where s.id = any ($1::uuid[]) and s.revoked_at is null and s.expires_at > $2 and s.last_used_at > $3 and a.disabled_at is null`,
);
