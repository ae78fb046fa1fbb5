import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import type { Happening } from "../ledger/record.ts";
import { DeliveryStatus } from "../messages/recipient.ts";

/** One recipient's copy of a message. */
export interface DeliveryKey {
  readonly messageId: string;
  readonly mailboxId: string;
}

/** What an ordinary mail makes of a delivery, and of which: never of one that was opened. */
const changes = {
  notified: { action: "delivery.notified", status: DeliveryStatus.NOTIFIED, from: [DeliveryStatus.SENT] },
  /** By a later notice, where the first had come to nothing. */
  "notified-after-all": { action: "delivery.notified", status: DeliveryStatus.NOTIFIED, from: [DeliveryStatus.SENT, DeliveryStatus.FAILED] },
  failed: { action: "delivery.failed", status: DeliveryStatus.FAILED, from: [DeliveryStatus.SENT, DeliveryStatus.NOTIFIED] },
} as const;

/**
 * Says in the caller's transaction what became of deliveries. Returns what happened in the senders' mailboxes, for the
 * caller to record with whatever else it does.
 */
export async function changeDeliveries(
  ctx: Ctx,
  change: keyof typeof changes,
  deliveries: readonly DeliveryKey[],
  code: string | null = null,
): Promise<Happening[]> {
  if (deliveries.length === 0) return [];
  const { action, status, from } = changes[change];
  const keys = [deliveries.map(({ messageId }) => messageId), deliveries.map(({ mailboxId }) => mailboxId)];
  const senders = await ctx.db.run(setDelivery, [...keys, from, status, ctx.clock.now()]);
  return senders.map(({ mailboxId, copyId, messageId }) => ({ action, mailboxId, subjectId: copyId, messageId, code }));
}

const setDelivery = statement<{ mailboxId: string; copyId: string; messageId: string }>(
  "delivery-change",
  `with locked as materialized (
     select r.message_id, r.n from (select distinct * from unnest($1::uuid[], $2::uuid[])) as wanted (message_id, mailbox_id)
     join recipients r on r.message_id = wanted.message_id and r.mailbox_id = wanted.mailbox_id
     where r.status = any ($3::text[]) order by r.message_id, r.n for no key update of r
   ), changed as (
     update recipients r set status = $4, updated_at = $5 from locked l where r.message_id = l.message_id and r.n = l.n
     returning r.message_id
   )
   select c.mailbox_id as "mailboxId", c.id as "copyId", c.message_id as "messageId"
   from (select distinct message_id from changed) o join messages m on m.id = o.message_id
   join copies c on c.message_id = o.message_id and c.mailbox_id = m.from_mailbox_id`,
);
