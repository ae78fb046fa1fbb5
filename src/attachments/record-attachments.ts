import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import type { Action } from "../ledger/event.ts";
import { record } from "../ledger/record.ts";

/** What can happen to a file that whoever has it is told. */
export type AttachmentAction = Extract<Action, `attachment.${"uploaded" | "scanning" | "cleared" | "rejected" | "held"}`>;

/**
 * Records what happened to the bytes of files in every mailbox that has one of them: on a message, on a draft, or
 * waiting for one, which is its uploader's own. A file of somebody without a mailbox is told to the organisation.
 */
export async function recordAttachments(ctx: Ctx, action: AttachmentAction, blobIds: readonly string[], code?: string): Promise<void> {
  const places = await ctx.db.run(placesOfBlobs, [blobIds]);
  await record(
    ctx,
    ...places.map(({ subjectId, messageId, mailboxId }) => ({
      action,
      subjectId,
      ...(mailboxId === null ? {} : { mailboxId }),
      ...(messageId === null ? {} : { messageId }),
      ...(code === undefined ? {} : { code }),
    })),
  );
}

const placesOfBlobs = statement<{ subjectId: string; messageId: string | null; mailboxId: string | null }>(
  "attachments-places",
  `select a.id as "subjectId", a.message_id as "messageId", place.mailbox_id as "mailboxId"
   from attachments a left join lateral (
     select c.mailbox_id from copies c where c.message_id = a.message_id
     union
     select d.mailbox_id from mailbox_holders h join drafts d on d.mailbox_id = h.mailbox_id and d.id = a.draft_id where h.account_id = a.uploaded_by
     union
     select m.id from mailbox_holders h join mailboxes m on m.id = h.mailbox_id and m.kind = 'PERSON'
     where h.account_id = a.uploaded_by and h.role = 'OWNER' and a.message_id is null and a.draft_id is null
   ) place on true
   where a.blob_id = any ($1::uuid[]) and a.stored_at is not null
   order by a.id`,
);
