import { type Ctx, Loader, type ViewerCtx } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import { Attachment } from "./attachment.ts";

export type AttachmentRow = Pick<Attachment, "uuid" | "blobId" | "uploadedBy" | "messageId" | "draftId" | "position" | "size" | "header">;

/** The columns of an attachment that is stored, for any statement that returns one. */
export const attachmentColumns = (table: string): string =>
  `${table}.id as uuid, ${table}.blob_id as "blobId", ${table}.uploaded_by as "uploadedBy", ${table}.message_id as "messageId", ${table}.draft_id as "draftId", ${table}.position, ${table}.size, ${table}.header`;

/** Makes attachments of rows, with the keys to read them. */
export async function toAttachments(ctx: Ctx, rows: readonly AttachmentRow[]): Promise<Attachment[]> {
  const opener = await ctx.dataKeys.forSealed(rows.map(({ header }) => header));
  return rows.map((row) => Object.assign(new Attachment(), row, { opener }));
}

/** The files on each of these messages, in order. Ask only for messages that the viewer has a copy of. */
export const attachmentsOfMessage = new Loader<string, Attachment[]>((ctx, ids) => grouped(ctx, byMessage, ids, "messageId"));

/** The files on each of these drafts, in order. Ask only for drafts that the viewer may see. */
export const attachmentsOfDraft = new Loader<string, Attachment[]>((ctx, ids) => grouped(ctx, byDraft, ids, "draftId"));

/**
 * A file the viewer may read: one they uploaded that is on no message or draft yet, one on a draft in a mailbox they
 * hold, or one on a message of which a mailbox they hold has a live copy. `mailboxId` is where it was found.
 */
export async function findReadableAttachment(ctx: ViewerCtx, id: string): Promise<{ attachment: Attachment; mailboxId: string | null } | undefined> {
  const [row] = await ctx.db.run(readableById, [id, ctx.viewer.accountId, ctx.clock.now()]);
  if (row === undefined) return undefined;
  const { mailboxId, ...columns } = row;
  const [attachment] = await toAttachments(ctx, [columns]);
  return attachment && { attachment, mailboxId };
}

async function grouped(ctx: Ctx, by: Statement<AttachmentRow>, ids: readonly string[], key: "messageId" | "draftId"): Promise<Attachment[][]> {
  const groups = new Map<string | null, Attachment[]>(ids.map((id) => [id, []]));
  for (const attachment of await toAttachments(ctx, await ctx.db.run(by, [ids]))) groups.get(attachment[key])?.push(attachment);
  return ids.map((id) => groups.get(id) ?? []);
}

const byMessage = statement<AttachmentRow>(
  "attachments-of-messages",
  `select ${attachmentColumns("a")} from attachments a where a.message_id = any ($1::uuid[]) order by a.message_id, a.position`,
);

const byDraft = statement<AttachmentRow>(
  "attachments-of-drafts",
  `select ${attachmentColumns("a")} from attachments a where a.draft_id = any ($1::uuid[]) order by a.draft_id, a.position`,
);

const held = "join mailbox_holders h on h.mailbox_id = x.mailbox_id and h.account_id = $2 and (h.ends_at is null or h.ends_at > $3)";

const readableById = statement<AttachmentRow & { mailboxId: string | null }>(
  "attachment-readable",
  `select ${attachmentColumns("a")}, place.mailbox_id as "mailboxId"
   from attachments a left join lateral (
     select x.mailbox_id from copies x ${held} where x.message_id = a.message_id and x.expires_at > $3
     union all
     select x.mailbox_id from drafts x ${held} where x.id = a.draft_id and x.expires_at > $3
     limit 1
   ) place on true
   where a.id = $1 and a.stored_at is not null
     and (place.mailbox_id is not null or (a.uploaded_by = $2 and a.message_id is null and a.draft_id is null))`,
);
