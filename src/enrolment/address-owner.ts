import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { isEmployeeAddress } from "../mailboxes/address.ts";
import { ProblemCode, refuse } from "../problem.ts";

/** Whether an address belongs to an account: it is its own, or one whose mailbox it owns. */
export async function hasOwner(ctx: Ctx, address: string): Promise<boolean> {
  return (await ctx.db.one(ownerOfAddress, [address, ctx.clock.now()])).hasOwner;
}

/** Keeps others from giving this address an owner until the caller's transaction ends. */
export async function lockAddress(ctx: Ctx, address: string): Promise<void> {
  await ctx.db.run(lock, [address]);
}

/** Refuses the organisation's own addresses: employees come by invitation or single sign-on. */
export function mustBeExternal({ config }: Ctx, address: string, field: string): void {
  if (isEmployeeAddress(address, config.organisation))
    refuse(ProblemCode.FORBIDDEN, "This address is the organisation's own: its people are invited or sign in through it. Ask an administrator.", { field });
}

const ownerOfAddress = statement<{ hasOwner: boolean }>(
  "address-owner",
  `select exists (select from accounts where address = $1)
       or exists (select from mailboxes m join mailbox_holders h on h.mailbox_id = m.id
                  where m.address = $1 and h.role = 'OWNER' and (h.ends_at is null or h.ends_at > $2)) as "hasOwner"`,
);

const lock = statement("address-lock", "select pg_advisory_xact_lock(hashtextextended($1, 13))");
