import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { notFound } from "../problem.ts";
import { Export, type ExportRow } from "./export.ts";

/**
 * An export that the viewer's account asked for, while that holds every mailbox it is from; anything else is NOT_FOUND.
 */
export async function findOwnExport(ctx: ViewerCtx, uuid: string, field = "id"): Promise<Export> {
  const now = ctx.clock.now();
  const [row] = await ctx.db.run(ownExport, [uuid, ctx.viewer.accountId, now]);
  return row === undefined ? notFound(field) : new Export(row, now);
}

const ownExport = statement<ExportRow & Record<string, unknown>>(
  "export-own",
  `select e.id as uuid, e.message_count as "messageCount", e.done_count as "doneCount", e.requested_at as "requestedAt", e.started_at as "startedAt",
          e.ready_at as "readyAt", e.expires_at as "expiresAt", e.failed_at as "failedAt", e.failure, e.blob_id as "blobId", e.size, e.sha256, e.header
   from exports e
   where e.id = $1 and e.account_id = $2 and not exists (
     select from unnest(e.mailbox_ids) as m (id) where not exists (
       select from mailbox_holders h where h.mailbox_id = m.id and h.account_id = $2 and (h.ends_at is null or h.ends_at > $3)))`,
);
