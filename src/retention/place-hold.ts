import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { decodeAnyId } from "../graphql/node-id.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { notFound, withinLimit } from "../problem.ts";
import { findHold } from "./hold-queries.ts";
import type { Hold, HoldReason } from "./hold.ts";
import { mustBeReasonable, mustBeStaff } from "./hold-policy.ts";
import { lockHolds, settleHolds } from "./settle-holds.ts";

/** A hold to be placed. */
export interface PlaceHold {
  /** The id of a message or a thread. */
  readonly targetId: string;
  readonly reason: HoldReason;
  readonly until: Date;
  readonly note: string | null;
}

/**
 * Places a hold on a message, or on all messages of a thread, those to come as well. Employees name what is in a mailbox
 * they hold, administrators whatever there is. A first batch is held when this returns, the rest of a very long thread
 * by a job right after.
 */
export async function placeHold(ctx: ViewerCtx, { targetId, reason, until, note }: PlaceHold): Promise<Hold> {
  mustBeStaff(ctx.viewer);
  const now = ctx.clock.now();
  mustBeReasonable({ until, note }, now, ctx.config.limits);
  const uuid = newId(now);
  return inTransaction(ctx, async (ctx) => {
    await lockHolds(ctx);
    const target = await findTarget(ctx, targetId);
    const { holds } = await ctx.db.one(countHolds, [target.messageId, target.threadId]);
    withinLimit(holds + 1, ctx.config.limits.maxHolds, "targetId", "Holds on one message or thread");
    const key = await ctx.dataKeys.ofHold(uuid);
    const sealed = note === null ? null : key.seal<string>({ id: uuid, field: "note" }, note);
    await ctx.db.run(insertHold, [uuid, reason, target.mailboxId, target.copyId, target.messageId, target.threadId, sealed, ctx.viewer.accountId, now, until]);
    await record(ctx, { action: "hold.placed", subjectId: uuid, code: reason, ...(target.messageId === null ? {} : { messageId: target.messageId }) });
    await settleHolds(ctx, uuid);
    return (await findHold(ctx, uuid)) ?? notFound();
  });
}

type Target = Pick<Hold, "mailboxId" | "copyId" | "messageId" | "threadId">;

/** A live message or thread that the viewer may place a hold on; anything else is NOT_FOUND. */
async function findTarget(ctx: ViewerCtx, targetId: string): Promise<Target> {
  const { kind, uuids } = decodeAnyId(targetId) ?? {};
  if (uuids === undefined || (kind !== "Message" && kind !== "Thread")) notFound("targetId");
  const { accountId, isAdministrator } = ctx.viewer;
  const [target] = await ctx.db.run(kind === "Message" ? findMessage : findThread, [...uuids, ctx.clock.now(), accountId, isAdministrator]);
  return target ?? notFound("targetId");
}

const isTheirs = `c.expires_at > $3 and ($5 or exists (
     select from mailbox_holders h where h.mailbox_id = c.mailbox_id and h.account_id = $4 and (h.ends_at is null or h.ends_at > $3)))`;

const findMessage = statement<Target>(
  "hold-find-message",
  `select c.mailbox_id as "mailboxId", c.id as "copyId", c.message_id as "messageId", null as "threadId" from copies c
   where c.mailbox_id = $1 and c.id = $2 and ${isTheirs}`,
);

const findThread = statement<Target>(
  "hold-find-thread",
  `select c.mailbox_id as "mailboxId", null as "copyId", null as "messageId", c.thread_id as "threadId" from copies c
   where c.mailbox_id = $1 and c.thread_id = $2 and ${isTheirs} limit 1`,
);

const countHolds = statement<{ holds: number }>(
  "holds-count",
  "select ((select count(*) from holds where message_id = $1 and ended_at is null) + (select count(*) from holds where thread_id = $2 and ended_at is null))::int as holds",
);

const insertHold = statement(
  "hold-insert",
  `insert into holds (id, reason, mailbox_id, copy_id, message_id, thread_id, note, placed_by, placed_at, until)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
);
