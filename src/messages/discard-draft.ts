import { releaseAttachments } from "../attachments/release-attachments.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import { record } from "../ledger/record.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { mustWrite } from "../mailboxes/mailbox-policy.ts";
import { notFound } from "../problem.ts";
import { findOwnDraft } from "./draft-queries.ts";

/** Throws a draft away, with its files. */
export async function discardDraft(ctx: ViewerCtx, id: OwnedId): Promise<void> {
  await inTransaction(ctx, async (ctx) => {
    const draft = await findOwnDraft(ctx, id, "draftId");
    const mailbox = (await findHeldMailbox(ctx, draft.mailboxId)) ?? notFound("draftId");
    mustWrite(mailbox.role);
    await consumeDraft(ctx, id);
    await record(ctx, { action: "draft.discarded", mailboxId: id.mailboxId, subjectId: id.uuid });
  });
}

/** Removes a draft in the caller's transaction, and whatever files are still on it. Refuses if somebody just did. */
export async function consumeDraft(ctx: ViewerCtx, { mailboxId, uuid }: OwnedId): Promise<void> {
  const removed = await ctx.db.run(removeDraft, [mailboxId, uuid]);
  if (removed.length === 0) notFound("draftId");
  await releaseAttachments(ctx, { draftIds: [uuid] });
}

const removeDraft = statement<{ id: string }>("draft-remove", "delete from drafts where mailbox_id = $1 and id = $2 returning id");
