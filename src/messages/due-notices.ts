import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { MailboxKind } from "../mailboxes/mailbox.ts";
import { DeliveryRoute, type DueNoticeKind } from "./recipient.ts";

/** What somebody is to be told, beside the first notice, of messages that lie unread in mailboxes here. */
export interface DueNotice {
  readonly kind: Exclude<DueNoticeKind, "digest">;
  /** Which of its kind: days after the sending, or before the expiry. */
  readonly occasion: string;
  readonly messageIds: readonly string[];
}

/**
 * Makes it due to tell people by ordinary mail of those of these messages that they have left unread, in the caller's
 * transaction and before it records anything. Whoever still waits for an earlier notice of a message is told by that.
 */
export async function makeNoticesDue(ctx: Ctx, { kind, occasion, messageIds }: DueNotice): Promise<void> {
  if (messageIds.length === 0) return;
  await ctx.db.run(makeDue, [messageIds, ctx.clock.now(), kind, occasion, DeliveryRoute.PORTAL, MailboxKind.PERSON]);
}

const makeDue = statement(
  "notices-make-due",
  `with unread as materialized (
     select r.message_id, r.n from recipients r join mailboxes m on m.id = r.mailbox_id and m.kind = $6
     where r.message_id = any ($1::uuid[]) and r.route = $5 and r.notice_at is null and exists (
       select from copies c where c.message_id = r.message_id and c.mailbox_id = r.mailbox_id
         and c.folder in ('INBOX', 'ARCHIVE') and c.opened_at is null and c.read_at is null and c.expires_at > $2)
     order by r.message_id, r.n for no key update of r
   )
   update recipients r set notice_at = $2, notice_kind = $3, notice_occasion = $4
   from unread u where r.message_id = u.message_id and r.n = u.n`,
);
