import { type Ctx, Loader } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import { Attachment, type Scan } from "./attachment.ts";

type AttachmentRow = Pick<Attachment, "uuid" | "blobId" | "uploadedBy" | "messageId" | "draftId" | "position" | "size" | "header" | keyof Scan>;

const columns = `a.id as uuid, a.blob_id as "blobId", a.uploaded_by as "uploadedBy", a.message_id as "messageId", a.draft_id as "draftId", a.position, a.size, a.header,
  s.started_at as "scanStartedAt", s.held_at as "heldAt", s.finished_at as "scannedAt", s.malware`;
const attachments = "attachments a left join scans s on s.blob_id = a.blob_id";

/** Makes attachments of rows, with the keys to read them. */
async function toAttachments(ctx: Ctx, rows: readonly AttachmentRow[]): Promise<Attachment[]> {
  const opener = await ctx.dataKeys.forSealed(rows.map(({ header }) => header));
  return rows.map((row) => Object.assign(new Attachment(), row, { opener }));
}

/** The files on each of these messages, in order. Ask only for messages that the viewer has a copy of. */
export const attachmentsOfMessage = new Loader<string, Attachment[]>((ctx, ids) => grouped(ctx, byMessage, ids, "messageId"));

/** The files on each of these drafts, in order. Ask only for drafts that the viewer may see. */
export const attachmentsOfDraft = new Loader<string, Attachment[]>((ctx, ids) => grouped(ctx, byDraft, ids, "draftId"));

/** The newest file with these bytes, whose key lives longest, for the server itself; undefined once none has them. */
export async function attachmentOfBlob(ctx: Ctx, blobId: string): Promise<Attachment | undefined> {
  return (await toAttachments(ctx, await ctx.db.run(byBlob, [blobId])))[0];
}

/**
 * A file the viewer may see: one they uploaded that is on no message or draft yet, one on a draft in a mailbox they
 * hold, or one on a message of which a mailbox they hold has a live copy. `mailboxId` is where it was found.
 */
export const readableAttachment = new Loader<string, ReadableAttachment | undefined>(async (ctx, ids) => {
  const rows = await ctx.db.run(readableByIds, [ids, ctx.viewer?.accountId, ctx.clock.now()]);
  const places = new Map(rows.map(({ uuid, mailboxId }) => [uuid, mailboxId]));
  const attachments = await toAttachments(
    ctx,
    rows.map(({ mailboxId: _, ...row }) => row),
  );
  const found = new Map(attachments.map((attachment) => [attachment.uuid, { attachment, mailboxId: places.get(attachment.uuid) ?? null }]));
  return ids.map((id) => found.get(id));
});

interface ReadableAttachment {
  readonly attachment: Attachment;
  readonly mailboxId: string | null;
}

async function grouped(ctx: Ctx, by: Statement<AttachmentRow>, ids: readonly string[], key: "messageId" | "draftId"): Promise<Attachment[][]> {
  const groups = new Map<string | null, Attachment[]>(ids.map((id) => [id, []]));
  for (const attachment of await toAttachments(ctx, await ctx.db.run(by, [ids]))) groups.get(attachment[key])?.push(attachment);
  return ids.map((id) => groups.get(id) ?? []);
}

const byMessage = statement<AttachmentRow>(
  "attachments-of-messages",
  `select ${columns} from ${attachments} where a.message_id = any ($1::uuid[]) order by a.message_id, a.position`,
);

const byDraft = statement<AttachmentRow>(
  "attachments-of-drafts",
  `select ${columns} from ${attachments} where a.draft_id = any ($1::uuid[]) order by a.draft_id, a.position`,
);

const byBlob = statement<AttachmentRow>(
  "attachment-of-blob",
  `select ${columns} from ${attachments} where a.blob_id = $1 and a.stored_at is not null order by a.id desc limit 1`,
);

const held = "join mailbox_holders h on h.mailbox_id = x.mailbox_id and h.account_id = $2 and (h.ends_at is null or h.ends_at > $3)";

const readableByIds = statement<AttachmentRow & { mailboxId: string | null }>(
  "attachments-readable",
  `select ${columns}, place.mailbox_id as "mailboxId"
   from ${attachments} left join lateral (
     select x.mailbox_id from copies x ${held} where x.message_id = a.message_id and x.expires_at > $3
     union all
     select x.mailbox_id from drafts x ${held} where x.id = a.draft_id and x.expires_at > $3
     limit 1
   ) place on true
   where a.id = any ($1::uuid[]) and a.stored_at is not null
     and (place.mailbox_id is not null or (a.uploaded_by = $2 and a.message_id is null and a.draft_id is null))`,
);
