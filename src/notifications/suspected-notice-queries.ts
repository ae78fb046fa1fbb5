import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Connection, connection, decodeCursor, encodeCursor, pageRequest, UUID_FORM } from "../graphql/connection.ts";
import { record } from "../ledger/record.ts";
import { readReference } from "./reference.ts";
import { SuspectedNotice, type SuspectedNoticeText } from "./suspected-notice.ts";

/** A page of reports, newest first, for an administrator. That it was looked at is recorded before it is answered. */
export async function suspectedNoticesPage(
  ctx: ViewerCtx,
  args: { readonly first?: number | null; readonly after?: string | null },
): Promise<Connection<SuspectedNotice>> {
  const page = pageRequest(args, ctx.config.limits);
  const [before = LAST_ID] = page.after === null ? [] : decodeCursor("suspected-notice", page.after, "after", UUID_FORM);
  const rows = await ctx.db.run(reportsBefore, [before, page.size + 1]);
  const opener = await ctx.dataKeys.forSealed(rows.map(({ report }) => report));
  const reports = rows.map(({ report, ...row }) => ({ ...row, ...opener.open<SuspectedNoticeText>({ id: row.id, field: "report" }, report) }));
  const references = reports.map(({ reference }) => reference && readReference(reference));
  const ours = new Set((await ctx.db.run(ourReferences, [references.filter((reference) => reference !== null)])).map(({ reference }) => reference));
  await record(ctx, { action: "notice.reports-viewed" });
  const nodes = reports.map((report, n) => Object.assign(new SuspectedNotice(), report, { isReferenceOurs: ours.has(references[n] ?? "") }));
  return connection(nodes, page, ({ id }) => encodeCursor("suspected-notice", id));
}

/** Sorts after every other id. */
const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const reportsBefore = statement<{ id: string; reportedById: string | null; reportedAt: Date; report: Buffer }>(
  "reports-before",
  `select id, reported_by as "reportedById", reported_at as "reportedAt", report from suspected_notices where id < $1 order by id desc limit $2`,
);

const ourReferences = statement<{ reference: string }>("reports-our-references", "select reference from notices where reference = any ($1::text[])");
