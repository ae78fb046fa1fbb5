import type { ViewerCtx } from "../context.ts";
import { attachmentsOfMessage } from "../attachments/attachment-queries.ts";
import { bindAttachments, shareAttachments } from "../attachments/bind-attachments.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { type Happening, record } from "../ledger/record.ts";
import { type Mailbox, MailboxKind } from "../mailboxes/mailbox.ts";
import { mailboxesFor } from "../mailboxes/recipient-mailboxes.ts";
import { withinLimit } from "../problem.ts";
import { listWords } from "../words/word-list.ts";
import { type CopyHeader, type Copy, Folder } from "./copy.ts";
import { findOwnCopy } from "./copy-queries.ts";
import { consumeDraft } from "./discard-draft.ts";
import { type MessageBody, previewOf } from "./message-body.ts";
import { mustHaveRecipients, mustReach } from "./message-policy.ts";
import { expiryOf, priorities, type Priority } from "./message.ts";
import { DeliveryRoute, DeliveryStatus, RecipientKind } from "./recipient.ts";

/** A message ready to go: addresses read, body clean. */
export interface Outgoing {
  readonly from: Mailbox;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly subject: string;
  readonly body: MessageBody;
  readonly priority: Priority;
  /** Uploads and files of the draft that go with it. */
  readonly attachmentIds: readonly string[];
  /** The draft it was, which is consumed. */
  readonly draftId: string | null;
  /** Set on a reply or a forward; otherwise the message begins a thread. */
  readonly threadId?: string;
  readonly inReplyTo?: string;
  readonly forwardedFrom?: string;
}

/**
 * Writes a message, its recipients, the list of its words and every mailbox's copy in the caller's transaction, and records it: the one way
 * in for what is sent, answered and forwarded, over GraphQL and SMTP alike. `alongside` is what else happened, recorded
 * in the same breath since mailboxes are locked once. Returns the sender's own copy.
 */
export async function postMessage(ctx: ViewerCtx, outgoing: Outgoing, alongside: readonly Happening[] = []): Promise<Copy> {
  const { config, clock, db, viewer } = ctx;
  const { from, to, subject, body } = outgoing;
  const cc = outgoing.cc.filter((address) => !to.includes(address));
  withinLimit(outgoing.attachmentIds.length, config.limits.maxAttachments, "attachmentIds", "Files on one message");
  mustHaveRecipients(to.length + cc.length, config.limits.maxRecipients);
  mustReach(viewer, to, config.organisation, "to");
  mustReach(viewer, cc, config.organisation, "cc");

  const sentAt = clock.now();
  const messageId = newId(sentAt);
  const key = await ctx.dataKeys.ofDay(sentAt);
  const mailboxes = await mailboxesFor(ctx, [...to, ...cc]);
  const bound = await bindAttachments(ctx, key, outgoing.attachmentIds, { messageId }, outgoing.draftId);
  const shared = outgoing.forwardedFrom === undefined ? 0 : await shareAttachments(ctx, key, outgoing.forwardedFrom, messageId, outgoing.attachmentIds.length);
  const attachmentCount = bound + shared;
  withinLimit(attachmentCount, config.limits.maxAttachments, "attachmentIds", "Files on one message");
  const files = attachmentCount > 0 ? await attachmentsOfMessage.load(ctx, messageId) : [];
  const total = files.reduce((sum, { size }) => sum + size, 0);
  withinLimit(total, config.limits.maxTotalAttachmentBytes, "attachmentIds", "Bytes of all files of one message together");
  if (outgoing.draftId !== null) await consumeDraft(ctx, { mailboxId: from.uuid, uuid: outgoing.draftId });

  const header: CopyHeader = { subject, preview: previewOf(body), from: { displayName: from.displayName, address: from.address } };
  const words = await listWords([subject, from.displayName, from.address, ...files.map(({ fileName }) => fileName), body.text]);
  const copies = [
    { mailboxId: from.uuid, id: newId(sentAt), folder: Folder.SENT },
    ...mailboxes.map(({ id }) => ({ mailboxId: id, id: newId(sentAt), folder: Folder.INBOX })),
  ];
  const [own] = copies;
  if (own === undefined) throw new Error("A message has at least its sender's copy");
  await db.run(insertMessage, [
    messageId,
    outgoing.threadId ?? newId(sentAt),
    viewer.accountId,
    from.uuid,
    priorities.indexOf(outgoing.priority),
    outgoing.inReplyTo ?? null,
    outgoing.forwardedFrom ?? null,
    sentAt,
    expiryOf(sentAt),
    key.seal<MessageBody>({ id: messageId, field: "body" }, { text: body.text, html: body.html }),
    mailboxes.map((_, n) => (n < to.length ? RecipientKind.TO : RecipientKind.CC)),
    mailboxes.map(({ address }) => address),
    mailboxes.map(({ id }) => id),
    DeliveryRoute.PORTAL,
    mailboxes.map(({ kind }) => (kind === MailboxKind.PERSON ? DeliveryStatus.SENT : DeliveryStatus.DELIVERED)),
    copies.map(({ mailboxId }) => mailboxId),
    copies.map(({ id }) => id),
    copies.map(({ folder }) => folder),
    attachmentCount,
    key.seal<CopyHeader>({ id: messageId, field: "header" }, header),
    key.sealBytes({ id: messageId, field: "words" }, words),
  ]);
  await record(
    ctx,
    ...alongside,
    { action: "message.sent", mailboxId: own.mailboxId, subjectId: own.id, messageId },
    ...copies.slice(1).map(({ mailboxId, id }) => ({ action: "message.received" as const, mailboxId, subjectId: id, messageId, unread: 1 })),
  );
  return findOwnCopy(ctx, { mailboxId: own.mailboxId, uuid: own.id });
}

// The sender's own copy counts as opened and read: nobody else has it to open. A person is told at once by ordinary mail;
// a team has employees who watch its mailbox.
const insertMessage = statement(
  "message-insert",
  `with message as (
     insert into messages (id, thread_id, author_id, from_mailbox_id, priority, in_reply_to, forwarded_from, sent_at, expires_at, body)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
   ), recipient as (
     insert into recipients (message_id, n, kind, address, mailbox_id, route, status, updated_at, notice_at)
     select $1, r.n, r.kind, r.address, r.mailbox_id, $14, r.status, $8, case r.status when '${DeliveryStatus.SENT}' then $8::timestamptz end
     from unnest($11::text[], $12::text[], $13::uuid[], $15::text[]) with ordinality as r (kind, address, mailbox_id, status, n)
   ), words as (
     insert into search_words (message_id, sealed) values ($1, $21)
   )
   insert into copies (mailbox_id, id, message_id, thread_id, from_mailbox_id, folder, priority, attachment_count, opened_at, read_at, sent_at, expires_at, header)
   select c.mailbox_id, c.id, $1, $2, $4, c.folder, $5, $19,
          case c.folder when 'SENT' then $8::timestamptz end, case c.folder when 'SENT' then $8::timestamptz end, $8, $9, $20
   from unnest($16::uuid[], $17::uuid[], $18::text[]) as c (mailbox_id, id, folder)`,
);
