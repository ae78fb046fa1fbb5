import type { Ctx } from "../context.ts";
import type { MailKind } from "./mail-kinds.ts";

/**
 * Why a mail failed for good: the mail server refused it, nobody took it for days (or until it was of no use any more), or
 * it was taken and came back.
 */
export type MailFailure = "REFUSED" | "GAVE_UP" | "BOUNCED";

/** What else follows from the fate of a mail. Both run in the transaction that marks it, once for each mail; many at once. */
export interface MailOutcome {
  /** The mail server took these. */
  sent(ctx: Ctx, mails: readonly { readonly id: string; readonly kind: MailKind }[]): Promise<void>;
  /** This one failed; it may have been sent before, and have come back. */
  failed(ctx: Ctx, mail: { readonly id: string; readonly kind: MailKind; readonly address: string }, reason: MailFailure): Promise<void>;
}
