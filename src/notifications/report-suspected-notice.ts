import { countAttempts } from "../accounts/throttle.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";
import type { SuspectedNoticeText } from "./suspected-notice.ts";

/** Keeps a report of mail that looks like ours and may not be, sealed, for administrators. Anybody may report. Returns when. */
export async function reportSuspectedNotice(ctx: Ctx, input: SuspectedNoticeText): Promise<Date> {
  await countAttempts(ctx, { rule: "report-notice/source", key: ctx.source });
  const { maxReportLength, maxReferenceLength } = ctx.config.limits;
  withinLimit([...(input.description ?? "")].length, maxReportLength, "description", "Characters of a description");
  withinLimit([...(input.link ?? "")].length, maxReportLength, "link", "Characters of a link");
  withinLimit([...(input.reference ?? "")].length, maxReferenceLength, "reference", "Characters of a reference");
  const [reference, description, link] = [input.reference, input.description, input.link].map((text) => text?.trim() || null);
  if (!reference && !description && !link) refuse(ProblemCode.INVALID_INPUT, "Say at least one of reference, description and link.", { field: "description" });
  const now = ctx.clock.now();
  const id = newId(now);
  return inTransaction(ctx, async (ctx) => {
    const key = await ctx.dataKeys.ofDay(now);
    const text: SuspectedNoticeText = { reference: reference ?? null, description: description ?? null, link: link ?? null };
    await ctx.db.run(insertReport, [id, ctx.viewer?.accountId ?? null, now, key.seal<SuspectedNoticeText>({ id, field: "report" }, text)]);
    await record(ctx, { action: "notice.reported", subjectId: id });
    return now;
  });
}

const insertReport = statement("report-insert", "insert into suspected_notices (id, reported_by, reported_at, report) values ($1, $2, $3, $4)");
