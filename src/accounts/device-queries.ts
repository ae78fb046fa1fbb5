import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { Device } from "./device.ts";

const MAX_DEVICES = 100;

/** The viewer's devices that are not revoked, last used first. */
export async function liveDevices(ctx: ViewerCtx): Promise<Device[]> {
  const rows = await ctx.db.run(devicesOfAccount, [ctx.viewer.accountId, ctx.viewer.sessionId, MAX_DEVICES]);
  return rows.map((row) => Object.assign(new Device(), row));
}

const devicesOfAccount = statement<Pick<Device, "uuid" | "name" | "createdAt" | "lastUsedAt" | "isCurrent">>(
  "devices-of-account",
  `select d.id as uuid, d.name, d.created_at as "createdAt", d.last_used_at as "lastUsedAt",
          exists (select from sessions s where s.id = $2 and s.device_id = d.id) as "isCurrent"
   from devices d where d.account_id = $1 and d.revoked_at is null order by d.last_used_at desc, d.id desc limit $3`,
);
