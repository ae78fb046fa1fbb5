import { Loader } from "../context.ts";
import { statement } from "../db/database.ts";
import type { DeliveryKey } from "./deliveries.ts";

/** The reference of the latest notice of each of these messages to each of these mailboxes; null where none was sent. Ask only for mailboxes the viewer holds. */
export const referenceOfNotice = new Loader<DeliveryKey, string | null>(
  async (ctx, keys) => {
    const rows = await ctx.db.run(references, [keys.map(({ messageId }) => messageId), keys.map(({ mailboxId }) => mailboxId)]);
    const found = new Map(rows.map(({ messageId, mailboxId, reference }) => [`${messageId} ${mailboxId}`, reference]));
    return keys.map(({ messageId, mailboxId }) => found.get(`${messageId} ${mailboxId}`) ?? null);
  },
  ({ messageId, mailboxId }) => `${messageId} ${mailboxId}`,
);

const references = statement<DeliveryKey & { reference: string }>(
  "notices-references",
  `select w.message_id as "messageId", w.mailbox_id as "mailboxId", latest.reference
   from unnest($1::uuid[], $2::uuid[]) as w (message_id, mailbox_id) cross join lateral (
     select id, reference from notices where message_id = w.message_id and mailbox_id = w.mailbox_id
     union all
     select n.id, n.reference from noticed_messages c join notices n on n.id = c.notice_id
     where c.message_id = w.message_id and c.mailbox_id = w.mailbox_id
     order by id desc limit 1
   ) latest`,
);
