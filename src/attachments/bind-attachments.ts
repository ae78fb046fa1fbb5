import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { type DataKey, referenceIn } from "../vault/seal.ts";
import type { FileHeader } from "./attachment.ts";

/**
 * Puts the viewer's waiting uploads, and what is on `fromDraft`, on a message or a draft, in the order given, and seals
 * what is known of them under its key, so that they live and go with it. Refuses the whole list if one of them is
 * unknown, not stored yet or on something else. Runs in the caller's transaction and returns how many files that are;
 * one named twice is one. A message takes none in which malware was found; those still being scanned travel and are held.
 */
export async function bindAttachments(
  ctx: ViewerCtx,
  key: DataKey,
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
  const scans = await ctx.db.run(lockScans, [ids]);
  if (messageId !== null && scans.some(({ malware }) => malware !== null)) {
    refuse(ProblemCode.ATTACHMENT_REJECTED, "Malware was found in an attachment. Leave it out; its `state` says which it is.", { field: "attachmentIds" });
  }
  const reference = key.reference.toString("latin1");
  const older = bound.filter(({ header }) => referenceIn(header) !== reference);
  if (older.length > 0) {
    const headers = await resealed(ctx, key, older, (id) => id);
    await ctx.db.run(setHeaders, [older.map(({ id }) => id), headers]);
  }
  return bound.length;
}

/** Lets the files of a message travel along with another message: new rows on the same bytes, after those it has. */
export async function shareAttachments(ctx: ViewerCtx, key: DataKey, fromMessageId: string, toMessageId: string, after: number): Promise<number> {
  const originals = await ctx.db.run(originalsOf, [fromMessageId]);
  if (originals.length === 0) return 0;
  await ctx.db.run(lockScans, [originals.map(({ id }) => id)]);
  const now = ctx.clock.now();
  const newIds = new Map(originals.map(({ id }) => [id, newId(now)]));
  const headers = await resealed(ctx, key, originals, (id) => newIds.get(id) ?? id);
  await ctx.db.run(share, [[...newIds.keys()], [...newIds.values()], headers, toMessageId, ctx.viewer.accountId, after, now]);
  return originals.length;
}

interface HeaderRow {
  id: string;
  header: Buffer;
}

/** The same headers under another key, each for the row that will hold it. */
async function resealed(ctx: ViewerCtx, key: DataKey, rows: readonly HeaderRow[], ownerOf: (id: string) => string): Promise<Buffer[]> {
  const opener = await ctx.dataKeys.forSealed(rows.map(({ header }) => header));
  return rows.map(({ id, header }) => key.seal({ id: ownerOf(id), field: "file" }, opener.open<FileHeader>({ id, field: "file" }, header)));
}

const bind = statement<HeaderRow>(
  "attachments-bind",
  `update attachments a set message_id = $3, draft_id = $4, position = wanted.n
   from unnest($1::uuid[]) with ordinality as wanted (id, n)
   where a.id = wanted.id and a.stored_at is not null and a.message_id is null
     and ((a.draft_id is null and a.uploaded_by = $2) or a.draft_id = $5)
   returning a.id, a.header`,
);

const setHeaders = statement(
  "attachments-set-headers",
  "update attachments a set header = sealed.header from unnest($1::uuid[], $2::bytea[]) as sealed (id, header) where a.id = sealed.id",
);

// A verdict waits for us and then tells the mailboxes we send to, or we wait for it and send what it says.
const lockScans = statement<{ malware: string | null }>(
  "attachments-lock-scans",
  "select s.malware from scans s join attachments a on a.blob_id = s.blob_id where a.id = any ($1::uuid[]) for share of s",
);

const originalsOf = statement<HeaderRow>("attachments-originals", "select id, header from attachments where message_id = $1 order by position");

const share = statement(
  "attachments-share",
  `insert into attachments (id, blob_id, uploaded_by, message_id, position, size, header, created_at, stored_at)
   select wanted.new_id, a.blob_id, $5, $4, $6 + wanted.n, a.size, wanted.header, $7, a.stored_at
   from unnest($1::uuid[], $2::uuid[], $3::bytea[]) with ordinality as wanted (id, new_id, header, n) join attachments a on a.id = wanted.id`,
);
