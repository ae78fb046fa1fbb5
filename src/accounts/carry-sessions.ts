import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { aliveAt } from "./session-queries.ts";

/** Carries every living session along when a sandbox's clock moves by so many milliseconds, so that nobody has to sign in again. */
export async function carrySessions(ctx: Ctx, milliseconds: number): Promise<void> {
  await ctx.db.run(carry, [...aliveAt(ctx), milliseconds]);
}

const carry = statement(
  "sessions-carry",
  `update sessions set last_used_at = last_used_at + $3 * interval '1 millisecond', expires_at = expires_at + $3 * interval '1 millisecond',
     confirmed_at = confirmed_at + $3 * interval '1 millisecond'
   where revoked_at is null and expires_at > $1 and last_used_at > $2`,
);
