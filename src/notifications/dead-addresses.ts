import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

/** Those of these addresses that a mail server called dead. */
export async function deadAddresses(ctx: Ctx, addresses: readonly string[]): Promise<Set<string>> {
  if (addresses.length === 0 || !(await ctx.db.one(isKept)).kept) return new Set();
  return new Set((await ctx.db.run(deadOnes, [addresses])).map(({ address }) => address));
}

const isKept = statement<{ kept: boolean }>("dead-addresses-kept", "select to_regclass('public.dead_addresses') is not null as kept");
const deadOnes = statement<{ address: string }>("dead-addresses", "select address from dead_addresses where address = any ($1::text[])");
