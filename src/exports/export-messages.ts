import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { once } from "../messages/idempotency.ts";
import { withinLimit } from "../problem.ts";
import type { Export } from "./export.ts";
import { findOwnExport } from "./export-queries.ts";
import { selectMessages, type Wanted } from "./select-messages.ts";

/** What to take along; ids are decoded already. */
export interface ExportMessages {
  readonly wanted: Wanted;
  readonly idempotencyKey: string | null;
}

/** Asks for messages as one file to take along; a job makes it. */
export async function exportMessages(ctx: ViewerCtx, { wanted, idempotencyKey }: ExportMessages): Promise<Export> {
  if (idempotencyKey === null) return inTransaction(ctx, (ctx) => request(ctx, wanted));
  return once(
    ctx,
    "exportMessages",
    idempotencyKey,
    wanted,
    (ctx, { uuid }) => findOwnExport(ctx, uuid, "idempotencyKey"),
    (ctx) => request(ctx, wanted),
  );
}

async function request(ctx: ViewerCtx, wanted: Wanted): Promise<Export> {
  const { mailboxIds, threadId, copyIds, messageCount } = await selectMessages(ctx, wanted);
  const now = ctx.clock.now();
  const { accountId } = ctx.viewer;
  await ctx.db.run(lockAccount, [accountId]);
  const { n } = await ctx.db.one(countOpen, [accountId, now]);
  withinLimit(n + 1, ctx.config.limits.maxExports, "input", "Exports that are being made or can still be downloaded");
  const uuid = newId(now);
  await ctx.db.run(insertExport, [uuid, accountId, mailboxIds, threadId, copyIds, messageCount, now]);
  await record(ctx, { action: "export.requested", subjectId: uuid });
  return findOwnExport(ctx, uuid);
}

// Requests of one account take turns, or several at once would each find room for one more.
const lockAccount = statement("export-lock-account", "select from accounts where id = $1 for no key update");

const countOpen = statement<{ n: number }>(
  "export-count-open",
  `select count(*)::int as n from exports where account_id = $1 and failed_at is null and (expires_at is null or expires_at > $2)`,
);

const insertExport = statement(
  "export-insert",
  "insert into exports (id, account_id, mailbox_ids, thread_id, copy_ids, message_count, requested_at) values ($1, $2, $3, $4, $5, $6, $7)",
);
