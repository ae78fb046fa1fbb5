import { dropAttachments } from "../attachments/release-attachments.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Happening, record } from "../ledger/record.ts";
import { type GoneCopy, goneColumns, goneHappening } from "../messages/gone-copy.ts";
import { TombstoneReason } from "./tombstone.ts";

/** How many messages one transaction takes, and how many copies: a broadcast goes in several. */
interface Batch {
  readonly messages: number;
  readonly copies: number;
}

/** Batches under way at once: while PostgreSQL works on one, the other is on its way. */
const LANES = 2;

/**
 * Deletes what has expired, a bounded batch a transaction, until nothing is left: copies, drafts that quote them,
 * recipients, attachments and content. Several nodes may run it at once and it may be killed anywhere: each batch goes
 * whole or not at all, and every mailbox is told once; that event is the tombstone. Returns how many messages went.
 */
export async function expireMessages(ctx: Ctx, atMost: Batch = { messages: 500, copies: 5000 }): Promise<number> {
  const lanes = await Promise.all(Array.from({ length: LANES }, () => expireInTurn(ctx, atMost)));
  return lanes.reduce((sum, expired) => sum + expired, 0);
}

async function expireInTurn(ctx: Ctx, atMost: Batch): Promise<number> {
  for (let expired = 0; ;) {
    const gone = await inTransaction(ctx, (ctx) => expireBatch(ctx, atMost));
    expired += gone.messages;
    if (gone.messages === 0 && gone.copies === 0) return expired;
  }
}

async function expireBatch(ctx: Ctx, atMost: Batch): Promise<Batch> {
  const { db, clock } = ctx;
  const locked = (await db.run(lockExpired, [clock.now(), atMost.messages])).map(({ id }) => id);
  if (locked.length === 0) return { messages: 0, copies: 0 };
  const copies = await db.run(removeCopies, [locked, atMost.copies]);
  const mailboxIds = copies.map(({ mailboxId }) => mailboxId);
  const drafts = await db.run(removeQuotingDrafts, [mailboxIds, copies.map(({ id }) => id)]);
  const happenings: Happening[] = [
    ...copies.map((copy) => goneHappening("message.expired", copy)),
    ...drafts.map(({ mailboxId, id }) => ({ action: "draft.expired" as const, mailboxId, subjectId: id })),
  ];
  if (drafts.length > 0) happenings.push(...(await dropAttachments(ctx, { draftIds: drafts.map(({ id }) => id) })));
  // A broadcast with copies left over keeps its content until the batch that takes the last of them.
  const messageIds = copies.length < atMost.copies ? locked : [];
  if (messageIds.length > 0) {
    happenings.push(...(await dropAttachments(ctx, { messageIds })));
    await db.run(removeMessages, [messageIds]);
  }
  await record(ctx, ...happenings);
  return { messages: messageIds.length, copies: copies.length };
}

const lockExpired = statement<{ id: string }>(
  "expire-lock",
  "select id from messages where expires_at <= $1 order by expires_at limit $2 for update skip locked",
);

// What a hold kept up to its end was held until the very instant that it expires.
const removeCopies = statement<GoneCopy & { code: string | null }>(
  "expire-copies",
  `with gone as (
     select mailbox_id, id from copies where message_id = any ($1::uuid[]) order by mailbox_id, id limit $2 for update
   )
   delete from copies c using gone where c.mailbox_id = gone.mailbox_id and c.id = gone.id
   returning ${goneColumns}, case when c.held_until = c.expires_at then '${TombstoneReason.HOLD_ENDED}' end as code`,
);

const removeQuotingDrafts = statement<{ mailboxId: string; id: string }>(
  "expire-quoting-drafts",
  `delete from drafts d using unnest($1::uuid[], $2::uuid[]) as gone (mailbox_id, id)
   where d.mailbox_id = gone.mailbox_id and (d.reply_to = gone.id or d.forward_of = gone.id)
   returning d.mailbox_id as "mailboxId", d.id`,
);

const removeMessages = statement(
  "expire-messages",
  `with gone as (delete from recipients where message_id = any ($1::uuid[])), words as (delete from search_words where message_id = any ($1::uuid[]))
   delete from messages where id = any ($1::uuid[])`,
);
