import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { stepOfCode } from "./totp-code.ts";

/** Uses a code of the account's authenticator app up; false if it is none of now, or it or a later one was used before. */
export async function useTotp(ctx: Ctx, accountId: string, code: string): Promise<boolean> {
  const [inUse] = await ctx.db.run(secretInUse, [accountId]);
  if (inUse === undefined) return false;
  const directory = await ctx.dataKeys.directory();
  const secret = directory.open<string>({ id: inUse.uuid, field: "totp" }, inUse.secret);
  const step = stepOfCode(secret, code, ctx.clock.now(), inUse.lastStep);
  return step !== null && (await ctx.db.run(spendStep, [inUse.uuid, step])).length > 0;
}

const secretInUse = statement<{ uuid: string; secret: Buffer; lastStep: number | null }>(
  "totp-in-use",
  `select id as uuid, secret, last_step as "lastStep" from totp_secrets where account_id = $1 and confirmed_at is not null`,
);

const spendStep = statement<{ spent: true }>("totp-spend", "update totp_secrets set last_step = $2 where id = $1 and last_step < $2 returning true as spent");
