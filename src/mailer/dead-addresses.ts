import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

/** Which of these addresses have nobody any more, as a mail server told us: no notice is to go there. */
export async function isDead({ db }: Ctx, addresses: readonly string[]): Promise<Set<string>> {
  const rows = await db.run(deadOf, [addresses]);
  return new Set(rows.map(({ address }) => address));
}

/** Forgets that an address was dead: somebody just proved to read what goes there. */
export async function reviveAddress({ db }: Ctx, address: string): Promise<void> {
  await db.run(revive, [address]);
}

/** Remembers, in the caller's transaction, that an address has nobody. `code` is what the mail server said: `5.1.1` or `550`. */
export async function buryAddress({ db, clock }: Ctx, address: string, code: string): Promise<void> {
  await db.run(bury, [address, clock.now(), code]);
}

const deadOf = statement<{ address: string }>("dead-addresses", "select address from dead_addresses where address = any ($1::text[])");

const revive = statement("dead-address-revive", "delete from dead_addresses where address = $1");

const bury = statement("dead-address-bury", "insert into dead_addresses (address, since, code) values ($1, $2, $3) on conflict (address) do nothing");
