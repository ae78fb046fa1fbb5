import type { ViewerCtx } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import type { Copy } from "../messages/copy.ts";
import { copyColumns, type CopyRow, findOwnCopies, toCopies } from "../messages/copy-queries.ts";
import { notFound, withinLimit } from "../problem.ts";

/** What somebody wants to take along: some messages, a thread, or all folders of a mailbox. */
export type Wanted = { readonly messageIds: readonly OwnedId[] } | { readonly threadId: OwnedId } | { readonly mailboxId: string };

/** The same as an export keeps it: where to look, and for what if not for everything there. */
export interface Selection {
  readonly mailboxIds: readonly string[];
  readonly threadId: string | null;
  readonly copyIds: readonly string[] | null;
}

/** Finds what is wanted through the viewer and counts it; refuses what is not theirs or too much. */
export async function selectMessages(ctx: ViewerCtx, wanted: Wanted): Promise<Selection & { readonly messageCount: number }> {
  const { limits } = ctx.config;
  if ("messageIds" in wanted) {
    withinLimit(wanted.messageIds.length, limits.maxIds, "messageIds", "Messages named at once");
    const copies = await findOwnCopies(ctx, wanted.messageIds, "messageIds");
    const mailboxIds = [...new Set(copies.map(({ mailboxId }) => mailboxId))];
    return { mailboxIds, threadId: null, copyIds: copies.map(({ uuid }) => uuid), messageCount: copies.length };
  }
  const [field, mailboxId, threadId] =
    "threadId" in wanted ? ["threadId", wanted.threadId.mailboxId, wanted.threadId.uuid] : ["mailboxId", wanted.mailboxId, null];
  if ((await findHeldMailbox(ctx, mailboxId)) === undefined) notFound(field);
  const atMost = limits.maxExportMessages + 1;
  const now = ctx.clock.now();
  const { n } =
    threadId === null ? await ctx.db.one(countMailbox, [mailboxId, now, atMost]) : await ctx.db.one(countThread, [mailboxId, now, atMost, threadId]);
  if (threadId !== null && n === 0) notFound(field);
  withinLimit(n, limits.maxExportMessages, field, "Messages of one export");
  return { mailboxIds: [mailboxId], threadId, copyIds: null, messageCount: n };
}

/**
 * The next messages of a selection after a copy, oldest first, as far as the viewer still holds their mailbox and they
 * have not expired. Locks them in the caller's transaction, like everybody in the order of their keys.
 */
export async function nextMessages(ctx: ViewerCtx, selection: Selection, after: string, size: number): Promise<Copy[]> {
  const { mailboxIds, threadId, copyIds } = selection;
  const values = [mailboxIds[0], ctx.viewer.accountId, ctx.clock.now(), after, size];
  const rows =
    copyIds !== null
      ? await ctx.db.run(nextOfIds, [mailboxIds, ...values.slice(1), copyIds])
      : threadId !== null
        ? await ctx.db.run(nextOfThread, [...values, threadId])
        : await ctx.db.run(nextOfMailbox, values);
  return toCopies(ctx, rows);
}

const count = (name: string, condition: string): Statement<{ n: number }> =>
  statement(name, `select count(*)::int as n from (select from copies c where c.mailbox_id = $1 ${condition} and c.expires_at > $2 limit $3) as selected`);

const countMailbox = count("export-count-mailbox", "");
const countThread = count("export-count-thread", "and c.thread_id = $4");

const next = (name: string, condition: string): Statement<CopyRow> =>
  statement(
    name,
    `with selected as (
       select c.mailbox_id, c.id from copies c join mailbox_holders h on h.mailbox_id = c.mailbox_id and h.account_id = $2 and (h.ends_at is null or h.ends_at > $3)
       where ${condition} and c.id > $4 and c.expires_at > $3 order by c.id limit $5
     ), locked as (
       select c.* from copies c join selected s on c.mailbox_id = s.mailbox_id and c.id = s.id order by c.mailbox_id, c.id for no key update of c
     )
     select ${copyColumns} from locked c order by c.id`,
  );

const nextOfMailbox = next("export-next-of-mailbox", "c.mailbox_id = $1");
const nextOfThread = next("export-next-of-thread", "c.mailbox_id = $1 and c.thread_id = $6");
const nextOfIds = next("export-next-of-ids", "c.mailbox_id = any ($1::uuid[]) and c.id = any ($6::uuid[])");
