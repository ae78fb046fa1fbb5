import { before, DAY } from "../clock.ts";
import { type Ctx, inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { notFound } from "../problem.ts";
import { DEVICE_DAYS } from "./known-device.ts";
import { tellEnded } from "./end-access.ts";

/** Forgets one of the viewer's own devices and ends its sessions, everywhere within two seconds. Signing in there again is as on a new one. */
export async function revokeDevice(ctx: ViewerCtx, deviceId: string): Promise<Date> {
  const now = ctx.clock.now();
  const ended = await inTransaction(ctx, async (ctx) => {
    if ((await ctx.db.run(forgetDevice, [deviceId, ctx.viewer.accountId, now])).length === 0) notFound("deviceId");
    const ended = await ctx.db.run(endSessionsOfDevice, [deviceId, now]);
    await record(ctx, { action: "device.revoked", subjectId: deviceId });
    await tellEnded(ctx, ended);
    return ended;
  });
  if (ended.some(({ id }) => id === ctx.viewer.sessionId)) ctx.setSessionCookie(null, now);
  return now;
}

/** Removes a batch of devices that nobody has used for as long as a browser keeps its cookie; returns how many. */
export async function sweepDevices({ db, clock }: Ctx, batch: number): Promise<number> {
  return (await db.run(dropDevices, [before(clock.now(), DEVICE_DAYS * DAY), batch])).length;
}

const forgetDevice = statement<{ id: string }>(
  "device-revoke",
  "update devices set revoked_at = $3 where id = $1 and account_id = $2 and revoked_at is null returning id",
);

const endSessionsOfDevice = statement<{ id: string }>(
  "sessions-end-of-device",
  "update sessions set revoked_at = $2 where device_id = $1 and revoked_at is null and expires_at > $2 returning id",
);

const dropDevices = statement<{ id: string }>(
  "sweep-devices",
  "delete from devices where id in (select id from devices where last_used_at <= $1 order by last_used_at limit $2 for update skip locked) returning id",
);
