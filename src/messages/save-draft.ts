import { bindAttachments } from "../attachments/bind-attachments.ts";
import { releaseAttachments } from "../attachments/release-attachments.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { mustWrite } from "../mailboxes/mailbox-policy.ts";
import { notFound, ProblemCode, refuse, withinLimit } from "../problem.ts";
import { findOwnCopy } from "./copy-queries.ts";
import type { Draft, DraftContent } from "./draft.ts";
import { findOwnDraft } from "./draft-queries.ts";
import { cleanSubject, type MessageBodyInput, toBody } from "./message-body.ts";
import { expiryOf, Priority } from "./message.ts";

const MAX_ADDRESS_LENGTH = 1000;

/** What a draft shall hold from now on; ids are decoded already. */
export interface SaveDraft {
  readonly draftId: OwnedId | null;
  readonly mailboxId: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly subject: string | null;
  readonly body: MessageBodyInput | null;
  readonly priority: Priority | null;
  readonly attachmentIds: readonly string[];
  readonly replyTo: OwnedId | null;
  readonly forwardOf: OwnedId | null;
}

/** Saves a draft whole, a new one without `draftId`. Addresses are kept as typed; files not named any more are let go. */
export async function saveDraft(ctx: ViewerCtx, input: SaveDraft): Promise<Draft> {
  const { limits } = ctx.config;
  withinLimit(input.to.length + input.cc.length, limits.maxRecipients, "to", "Recipients of one message");
  withinLimit(input.attachmentIds.length, limits.maxAttachments, "attachmentIds", "Files on one message");
  if ([...input.to, ...input.cc].some((address) => address.length > MAX_ADDRESS_LENGTH)) {
    refuse(ProblemCode.LIMIT_EXCEEDED, "An address is too long.", { field: "to", limit: MAX_ADDRESS_LENGTH });
  }
  const { text, html } = toBody(input.body, limits);
  const content: DraftContent = {
    to: [...input.to],
    cc: [...input.cc],
    subject: cleanSubject(input.subject, limits),
    body: { text, html },
    priority: input.priority ?? Priority.NORMAL,
  };

  const uuid = await inTransaction(ctx, async (ctx) => {
    const mailbox = (await findHeldMailbox(ctx, input.mailboxId)) ?? notFound("mailboxId");
    mustWrite(mailbox.role);
    for (const [field, id] of [
      ["replyTo", input.replyTo],
      ["forwardOf", input.forwardOf],
    ] as const) {
      if (id === null) continue;
      await findOwnCopy(ctx, id, field);
      if (id.mailboxId !== mailbox.uuid) refuse(ProblemCode.INVALID_INPUT, "A draft stays in the mailbox of the message it answers or passes on.", { field });
    }
    const now = ctx.clock.now();
    const uuid = input.draftId?.uuid ?? newId(now);
    if (input.draftId === null) {
      const { drafts } = await ctx.db.one(countDrafts, [mailbox.uuid]);
      withinLimit(drafts + 1, limits.maxDrafts, "mailboxId", "Drafts in one mailbox");
    } else {
      await findOwnDraft(ctx, input.draftId, "draftId");
      if (input.draftId.mailboxId !== mailbox.uuid) refuse(ProblemCode.INVALID_INPUT, "A draft stays in its mailbox.", { field: "mailboxId" });
    }
    const key = await ctx.dataKeys.ofDay(now);
    const values = [
      mailbox.uuid,
      uuid,
      input.replyTo?.uuid ?? null,
      input.forwardOf?.uuid ?? null,
      now,
      expiryOf(now),
      key.seal<DraftContent>({ id: uuid, field: "draft" }, content),
    ];
    const written = await (input.draftId === null ? ctx.db.run(insertDraft, [...values, ctx.viewer.accountId]) : ctx.db.run(updateDraft, values));
    if (written.length === 0) notFound("draftId"); // Sent or discarded since we looked
    await releaseAttachments(ctx, { draftIds: [uuid] }, input.attachmentIds);
    await bindAttachments(ctx, key, input.attachmentIds, { draftId: uuid }, uuid);
    await record(ctx, { action: "draft.saved", mailboxId: mailbox.uuid, subjectId: uuid });
    return uuid;
  });
  return findOwnDraft(ctx, { mailboxId: input.mailboxId, uuid }); // Afresh: the context inside may know it as it was
}

const countDrafts = statement<{ drafts: number }>("drafts-count", "select count(*)::int as drafts from drafts where mailbox_id = $1");

const insertDraft = statement<{ id: string }>(
  "draft-insert",
  `insert into drafts (mailbox_id, id, reply_to, forward_of, created_at, saved_at, expires_at, content, author_id)
   values ($1, $2, $3, $4, $5, $5, $6, $7, $8) returning id`,
);

const updateDraft = statement<{ id: string }>(
  "draft-update",
  "update drafts set reply_to = $3, forward_of = $4, saved_at = $5, expires_at = $6, content = $7 where mailbox_id = $1 and id = $2 returning id",
);
