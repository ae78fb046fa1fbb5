import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { buryAddress } from "./dead-addresses.ts";
import type { MailKind } from "./mail-kinds.ts";
import type { MailFailure, MailOutcome } from "./mail-outcome.ts";

/**
 * Marks a mail failed for good, once, and has everything else follow from it. `deadStatus` is what a mail server said if that
 * means that the address has nobody. Returns whether it was not known already.
 */
export async function failMail(ctx: Ctx, outcomes: readonly MailOutcome[], id: string, reason: MailFailure, deadStatus: string | null): Promise<boolean> {
  return inTransaction(ctx, async (ctx) => {
    const [mail] = await ctx.db.run(markFailed, [id, ctx.clock.now(), reason]);
    if (mail === undefined) return false;
    if (deadStatus !== null) await buryAddress(ctx, mail.address, deadStatus);
    for (const outcome of outcomes) await outcome.failed(ctx, mail, reason);
    return true;
  });
}

const markFailed = statement<{ id: string; kind: MailKind; address: string }>(
  "mail-failed",
  "update mails set failed_at = $2, next_at = null, failure = $3 where id = $1 and failed_at is null returning id, kind, address",
);
