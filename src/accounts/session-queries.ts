import { before, MINUTE } from "../clock.ts";
import { type Ctx, type Services, type ViewerCtx } from "../context.ts";
import { poolOf, statement } from "../db/database.ts";
import { Device } from "./device.ts";
import { Session } from "./session.ts";

const MAX_SESSIONS = 100;

/** The viewer's sessions that are alive, newest first. */
export async function liveSessions(ctx: ViewerCtx): Promise<Session[]> {
  const rows = await ctx.db.run(sessionsOfAccount, [ctx.viewer.accountId, ...aliveAt(ctx), MAX_SESSIONS]);
  const current = rows.find(({ uuid }) => uuid === ctx.viewer.sessionId)?.deviceId ?? null;
  return rows.map(({ deviceName, deviceCreatedAt, deviceLastUsedAt, ...row }) => {
    const known = { uuid: row.deviceId, name: deviceName, createdAt: deviceCreatedAt, lastUsedAt: deviceLastUsedAt, isCurrent: row.deviceId === current };
    const device = row.deviceId === null ? null : Object.assign(new Device(), known);
    return Object.assign(new Session(), row, { device, isCurrent: row.uuid === ctx.viewer.sessionId });
  });
}

/** Which of these sessions and access tokens are still alive; asked every second for those with an open socket. */
export async function stillAlive(services: Services, sessionIds: string[]): Promise<Set<string>> {
  const { rows } = await poolOf(services.dataSource).query<{ id: string }>({ ...aliveSessions, values: [sessionIds, ...aliveAt(services)] });
  return new Set(rows.map(({ id }) => id));
}

/** What a session is compared with to see whether it is alive: it ends after the first, and was last used after the second. */
export function aliveAt({ clock, config }: Pick<Ctx, "clock" | "config">): [Date, Date] {
  const now = clock.now();
  return [now, before(now, config.session.idleMinutes * MINUTE)];
}

type SessionRow = Pick<Session, "uuid" | "client" | "method" | "createdAt" | "lastUsedAt" | "expiresAt" | "deviceId"> & {
  readonly deviceName: string | null;
  readonly deviceCreatedAt: Date | null;
  readonly deviceLastUsedAt: Date | null;
};

const sessionsOfAccount = statement<SessionRow>(
  "sessions-of-account",
  `select s.id as uuid, s.client, s.method, s.created_at as "createdAt", s.last_used_at as "lastUsedAt", s.expires_at as "expiresAt",
          s.device_id as "deviceId", d.name as "deviceName", d.created_at as "deviceCreatedAt", d.last_used_at as "deviceLastUsedAt"
   from sessions s left join devices d on d.id = s.device_id
   where s.account_id = $1 and s.revoked_at is null and s.expires_at > $2 and s.last_used_at > $3 order by s.id desc limit $4`,
);

const aliveSessions = statement<{ id: string }>(
  "sessions-alive",
  `select s.id from sessions s join accounts a on a.id = s.account_id
   where s.id = any ($1::uuid[]) and s.revoked_at is null and s.expires_at > $2 and s.last_used_at > $3 and a.disabled_at is null
   union all
   select t.id from access_tokens t join accounts a on a.id = t.account_id
   where t.id = any ($1::uuid[]) and t.revoked_at is null and t.expires_at > $2 and a.disabled_at is null`,
);
