import { dropAttachments } from "../attachments/release-attachments.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Happening, newIdInSql, record, recordingStatement, runRecording } from "../ledger/record.ts";
import { goneColumns } from "../messages/gone-copy.ts";
import { TombstoneReason } from "./tombstone.ts";

/** How many messages one transaction takes, and how many copies: a broadcast goes in several. */
interface Batch {
  readonly messages: number;
  readonly copies: number;
}

/**
 * Deletes what has expired, a bounded batch a transaction, until nothing is left: copies, drafts that quote them,
 * recipients, attachments and content. Several nodes may run it at once and it may be killed anywhere: each batch goes
 * whole or not at all, and every mailbox is told once; that event is the tombstone. Returns how many messages went.
 */
export async function expireMessages(ctx: Ctx, atMost: Batch = { messages: 500, copies: 5000 }): Promise<number> {
  for (let expired = 0; ;) {
    const { messages, copies, released } = await inTransaction(ctx, (ctx) => expireBatch(ctx, atMost));
    // On its own: the organisation's stream is everybody's, and should this be lost, the sweep finds the blobs.
    await record(ctx, ...released);
    expired += messages;
    if (messages === 0 && copies === 0) return expired;
  }
}

async function expireBatch(ctx: Ctx, atMost: Batch): Promise<Batch & { released: Happening[] }> {
  const { db, clock } = ctx;
  const now = clock.now();
  const locked = (await db.run(lockExpired, [now, atMost.messages])).map(({ id }) => id);
  if (locked.length === 0) return { messages: 0, copies: 0, released: [] };
  const { copies, draftIds } = await runRecording(ctx, removeCopies, [locked, atMost.copies, now]);
  const released = draftIds.length > 0 ? await dropAttachments(ctx, { draftIds }) : [];
  // A broadcast with copies left over keeps its content until the batch that takes the last of them.
  const messageIds = copies < atMost.copies ? locked : [];
  if (messageIds.length > 0) {
    released.push(...(await dropAttachments(ctx, { messageIds })));
    await db.run(removeMessages, [messageIds]);
  }
  return { messages: messageIds.length, copies, released };
}

const lockExpired = statement<{ id: string }>(
  "expire-lock",
  "select id from messages where expires_at <= $1 order by expires_at limit $2 for update skip locked",
);

// With the drafts that quote them. What a hold kept up to its end was held until the very instant that it expires.
const removeCopies = recordingStatement<{ copies: number; draftIds: string[] }>(
  "expire-copies",
  `gone as (
     select mailbox_id, id from copies where message_id = any ($1::uuid[]) order by mailbox_id, id limit $2 for update
   ), gone_copy as (
     delete from copies c using gone where c.mailbox_id = gone.mailbox_id and c.id = gone.id
     returning ${goneColumns}, case when c.held_until = c.expires_at then '${TombstoneReason.HOLD_ENDED}' end as code
   ), gone_draft as (
     delete from drafts d using gone where d.mailbox_id = gone.mailbox_id and (d.reply_to = gone.id or d.forward_of = gone.id)
     returning d.mailbox_id, d.id
   ), happening as (
     select "mailboxId" as mailbox_id, ${newIdInSql("$3")} as id, $3::timestamptz as at, 'message.expired' as action, null::uuid as actor_id,
            id as subject_id, "messageId" as message_id, code, case when "wasUnread" then -1 else 0 end as unread,
            "counterpartId" as counterpart_id, "wasSent" as was_sent, "openedAt" as opened_at, 1 as n
     from gone_copy
     union all
     select mailbox_id, ${newIdInSql("$3")}, $3, 'draft.expired', null, id, null, null, 0, null, null, null, 2 from gone_draft
   )`,
  `(select count(*)::int from gone_copy) as copies, array(select id from gone_draft) as "draftIds"`,
);

const removeMessages = statement(
  "expire-messages",
  `with gone as (delete from recipients where message_id = any ($1::uuid[])), words as (delete from search_words where message_id = any ($1::uuid[]))
   delete from messages where id = any ($1::uuid[])`,
);
