import { inTransaction, Loader, type Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Happening, record } from "../ledger/record.ts";
import { notFound } from "../problem.ts";
import type { Copy } from "./copy.ts";
import { Folder } from "./copy.ts";
import { DeliveryStatus } from "./recipient.ts";

/** Opens a copy for whoever fetches its body; many in one query are opened together. */
export function openMessage(ctx: Ctx, copy: Copy): Promise<void> {
  return (copy.opening ??= opening.load(ctx, copy));
}

const opening = new Loader<Copy, void>(async (ctx, copies) => {
  await inTransaction(ctx, async (inner) => record(inner, ...(await markOpened(inner, copies))));
  return copies.map(() => undefined);
});

/**
 * Marks copies that were loaded through the viewer as opened, all or nothing, in the caller's transaction. The first
 * time sets when it was opened, marks it read and turns the sender's delivery to OPENED; each further time is an event
 * only. Returns what happened, for the caller to record with whatever else it does.
 */
export async function markOpened(ctx: Ctx, copies: readonly Copy[]): Promise<Happening[]> {
  const now = ctx.clock.now();
  const byKey = new Map(copies.map((copy) => [copy.uuid, copy]));
  const locked = await ctx.db.run(lockCopies, [[...byKey.values()].map(({ mailboxId }) => mailboxId), [...byKey.keys()], now]);
  if (locked.length < byKey.size) notFound("id");
  const happenings: Happening[] = locked.map(({ id, mailboxId, messageId, openedAt, readAt, folder }) => ({
    action: openedAt === null ? "message.opened" : "message.viewed",
    mailboxId,
    subjectId: id,
    messageId,
    unread: openedAt === null && readAt === null && folder === Folder.INBOX ? -1 : 0,
  }));
  const firsts = locked.filter(({ openedAt }) => openedAt === null);
  if (firsts.length > 0) {
    const mailboxIds = firsts.map(({ mailboxId }) => mailboxId);
    await ctx.db.run(setOpened, [mailboxIds, firsts.map(({ id }) => id), now]);
    const senders = await ctx.db.run(setDeliveryOpened, [mailboxIds, firsts.map(({ messageId }) => messageId), now, DeliveryStatus.OPENED]);
    for (const { mailboxId, copyId, messageId } of senders) happenings.push({ action: "delivery.opened", mailboxId, subjectId: copyId, messageId });
  }
  for (const { id, openedAt, readAt } of locked) {
    const copy = byKey.get(id);
    if (copy) Object.assign(copy, { openedAt: openedAt ?? now, readAt: openedAt === null ? (readAt ?? now) : readAt });
  }
  return happenings;
}

// Copies are locked in the order of their keys, before any mailbox, by everyone who changes them.
const lockCopies = statement<{ id: string; mailboxId: string; messageId: string; openedAt: Date | null; readAt: Date | null; folder: Folder }>(
  "copies-lock-to-open",
  `select c.id, c.mailbox_id as "mailboxId", c.message_id as "messageId", c.opened_at as "openedAt", c.read_at as "readAt", c.folder
   from copies c join unnest($1::uuid[], $2::uuid[]) as wanted (mailbox_id, id) on c.mailbox_id = wanted.mailbox_id and c.id = wanted.id
   where c.expires_at > $3 order by c.mailbox_id, c.id for no key update of c`,
);

const setOpened = statement(
  "copies-mark-opened",
  `update copies c set opened_at = $3, read_at = coalesce(c.read_at, $3) from unnest($1::uuid[], $2::uuid[]) as wanted (mailbox_id, id)
   where c.mailbox_id = wanted.mailbox_id and c.id = wanted.id`,
);

const setDeliveryOpened = statement<{ mailboxId: string; copyId: string; messageId: string }>(
  "delivery-mark-opened",
  `with opened as (
     update recipients r set status = $4, updated_at = $3 from unnest($1::uuid[], $2::uuid[]) as wanted (mailbox_id, message_id)
     where r.message_id = wanted.message_id and r.mailbox_id = wanted.mailbox_id and r.status <> $4
     returning r.message_id
   )
   select c.mailbox_id as "mailboxId", c.id as "copyId", c.message_id as "messageId"
   from (select distinct message_id from opened) o join messages m on m.id = o.message_id
   join copies c on c.message_id = o.message_id and c.mailbox_id = m.from_mailbox_id`,
);
