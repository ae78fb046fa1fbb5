import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { ProblemCode, refuse } from "../problem.ts";

/**
 * Puts the viewer's waiting uploads, and what is on `fromDraft`, on a message or a draft, in the order given. Refuses
 * the whole list if one of them is unknown, not stored yet or on something else. Runs in the caller's transaction and
 * returns how many files that are; one named twice is one.
 */
export async function bindAttachments(
  ctx: ViewerCtx,
  ids: readonly string[],
  to: { messageId: string } | { draftId: string },
  fromDraft: string | null,
): Promise<number> {
  if (ids.length === 0) return 0;
  const messageId = "messageId" in to ? to.messageId : null;
  const draftId = "draftId" in to ? to.draftId : null;
  const bound = await ctx.db.run(bind, [ids, ctx.viewer.accountId, messageId, draftId, fromDraft]);
  if (bound.length !== new Set(ids).size) {
    refuse(ProblemCode.ATTACHMENT_NOT_READY, "An attachment is unknown, still uploading, or on another message already. Upload it again.", {
      field: "attachmentIds",
    });
  }
  return bound.length;
}

/** Lets the files of a message travel along with another message: new rows on the same bytes, after those it has. */
export async function shareAttachments(ctx: ViewerCtx, fromMessageId: string, toMessageId: string, after: number): Promise<number> {
  const originals = await ctx.db.run(originalsOf, [fromMessageId]);
  if (originals.length === 0) return 0;
  const now = ctx.clock.now();
  await ctx.db.run(share, [originals.map(({ id }) => id), originals.map(() => newId(now)), toMessageId, ctx.viewer.accountId, after, now]);
  return originals.length;
}

const bind = statement<{ id: string }>(
  "attachments-bind",
  `update attachments a set message_id = $3, draft_id = $4, position = wanted.n
   from unnest($1::uuid[]) with ordinality as wanted (id, n)
   where a.id = wanted.id and a.stored_at is not null and a.message_id is null
     and ((a.draft_id is null and a.uploaded_by = $2) or a.draft_id = $5)
   returning a.id`,
);

const originalsOf = statement<{ id: string }>("attachments-originals", "select id from attachments where message_id = $1 order by position");

const share = statement(
  "attachments-share",
  `insert into attachments (id, blob_id, uploaded_by, message_id, position, size, header, created_at, stored_at)
   select wanted.new_id, a.blob_id, $4, $3, $5 + wanted.n, a.size, a.header, $6, a.stored_at
   from unnest($1::uuid[], $2::uuid[]) with ordinality as wanted (id, new_id, n) join attachments a on a.id = wanted.id`,
);
