import { setTimeout } from "node:timers/promises";
import { dropAttachments } from "../attachments/release-attachments.ts";
import { SECOND } from "../clock.ts";
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

const BATCH: Batch = { messages: 500, copies: 5000 };
/** Whose transaction holds this advisory lock deletes the next batch. */
const EXPIRY_LOCK = 7_316_202_605;
/** Messages a second at most: going faster would only keep those waiting who read their mail. */
const PACE = 11_000;

/**
 * Deletes what has expired, a bounded batch a transaction, until nothing is left: copies, drafts that quote them,
 * recipients, attachments and content. It may be killed anywhere: each batch goes whole or not at all, and every mailbox
 * is told once; that event is the tombstone. Where several nodes try at once, one of them does it. Returns how many
 * messages went.
 */
export async function expireMessages(ctx: Ctx, stop?: AbortSignal, atMost = BATCH): Promise<number> {
  for (let expired = 0; ;) {
    const began = performance.now();
    const batch = await inTransaction(ctx, (ctx) => expireBatch(ctx, atMost));
    if (batch === null) return expired;
    // On its own: the organisation's stream is everybody's, and should this be lost, the sweep finds the blobs.
    await record(ctx, ...batch.released);
    expired += batch.messages;
    if (stop?.aborted) return expired;
    await setTimeout(Math.max(0, (batch.messages / PACE) * SECOND - (performance.now() - began)));
  }
}

/** Null when nothing is left to delete, or somebody else is at it. */
async function expireBatch(ctx: Ctx, atMost: Batch): Promise<{ messages: number; released: Happening[] } | null> {
  const { db, clock } = ctx;
  const now = clock.now();
  if (!(await db.one(takeLock, [EXPIRY_LOCK])).taken) return null;
  const locked = (await db.run(lockExpired, [now, atMost.messages])).map(({ id }) => id);
  if (locked.length === 0) return null;
  const { found, copies, draftIds } = await runRecording(ctx, removeCopies, [locked, atMost.copies, now]);
  const released = draftIds.length > 0 ? await dropAttachments(ctx, { draftIds }) : [];
  // Content goes with the batch that takes the last of its copies.
  const messageIds = found < atMost.copies && copies === found ? locked : [];
  if (messageIds.length > 0) {
    released.push(...(await dropAttachments(ctx, { messageIds })));
    await db.run(removeMessages, [messageIds]);
  }
  return { messages: messageIds.length, released };
}

const takeLock = statement<{ taken: boolean }>("expire-lock", "select pg_try_advisory_xact_lock($1) as taken");

const lockExpired = statement<{ id: string }>(
  "expire-oldest",
  "select id from messages where expires_at <= $1 order by expires_at limit $2 for update skip locked",
);

// With the drafts that quote them. What a hold kept up to its end was held until the very instant that it expires.
// A copy that somebody changed while we waited for it stands elsewhere by now: it is found again by the next batch.
const removeCopies = recordingStatement<{ found: number; copies: number; draftIds: string[] }>(
  "expire-copies",
  `gone as (
     select ctid, mailbox_id, id from copies where message_id = any ($1::uuid[]) order by mailbox_id, id limit $2 for update
   ), gone_copy as (
     delete from copies c using gone where c.ctid = gone.ctid
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
  `(select count(*)::int from gone) as found, (select count(*)::int from gone_copy) as copies, array(select id from gone_draft) as "draftIds"`,
);

const removeMessages = statement(
  "expire-messages",
  `with gone as (delete from recipients where message_id = any ($1::uuid[])), words as (delete from search_words where message_id = any ($1::uuid[]))
   delete from messages where id = any ($1::uuid[])`,
);
