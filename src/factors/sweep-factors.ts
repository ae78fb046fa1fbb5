import { before, HOUR } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { TOTP_SETUP_HOURS } from "./confirm-totp.ts";

/** Removes at most so many challenges that nobody answered in time; returns how many. */
export async function sweepChallenges(ctx: Ctx, most: number): Promise<number> {
  return (await ctx.db.run(dropChallenges, [ctx.clock.now(), most])).length;
}

/** Removes at most so many secrets of authenticator apps that were not confirmed in time; returns how many. */
export async function sweepTotpSetups(ctx: Ctx, most: number): Promise<number> {
  return (await ctx.db.run(dropSetups, [before(ctx.clock.now(), TOTP_SETUP_HOURS * HOUR), most])).length;
}

const dropChallenges = statement<{ id: string }>(
  "sweep-challenges",
  `delete from passkey_challenges where id in
     (select id from passkey_challenges where expires_at <= $1 order by expires_at limit $2 for update skip locked) returning id`,
);

const dropSetups = statement<{ id: string }>(
  "sweep-totp-setups",
  `delete from totp_secrets where id in
     (select id from totp_secrets where confirmed_at is null and created_at <= $1 order by created_at limit $2 for update skip locked) returning id`,
);
