import { after, DAY } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { makeNoticesDue } from "../messages/due-notices.ts";

/** So many days before its expiry every mailbox that has a copy of a message is warned, nearest first. */
export const WARNING_DAYS = [1, 7, 30] as const;

/** How many messages one transaction warns of, in all their mailboxes. */
const BATCH = 50;

/** The nearest distance, in days, within which something expires; null if it is farther than all, or over. */
export function nearestWarning(expiresAt: Date, now: Date): number | null {
  if (expiresAt <= now) return null;
  return WARNING_DAYS.find((days) => expiresAt <= after(now, days * DAY)) ?? null;
}

/**
 * Warns of every message that has come within a distance of its expiry, one event in each mailbox that has a copy, and
 * makes it due to tell those who have left it unread by ordinary mail. A row
 * for each distance says how far that has gone and moves in the same transaction: each warning is given exactly once,
 * however many nodes run this and wherever they are killed. After an outage only the nearest distance is told of, and
 * nothing of what has expired.
 */
export async function warnOfExpiry(ctx: Ctx): Promise<void> {
  for (const days of WARNING_DAYS) while ((await inTransaction(ctx, (ctx) => warn(ctx, days))) === BATCH);
}

async function warn(ctx: Ctx, days: number): Promise<number> {
  const now = ctx.clock.now();
  const [progress] = await ctx.db.run(lockProgress, [days]);
  if (progress === undefined) return 0; // Another node is at it
  const nearer = after(now, Math.max(0, ...WARNING_DAYS.filter((other) => other < days)) * DAY);
  const from = progress.through > nearer ? progress : { through: nearer, id: LAST_ID };
  const through = after(now, days * DAY);
  if (from.through > through) return 0; // The clock went back
  const due = await ctx.db.run(dueMessages, [from.through, from.id, through, BATCH]);
  const last = due.length === BATCH ? due.at(-1) : undefined;
  await ctx.db.run(setProgress, [days, last?.expiresAt ?? through, last?.id ?? LAST_ID]);
  const code = String(days);
  const messageIds = due.map(({ id }) => id);
  await makeNoticesDue(ctx, { kind: "expiry-notice", occasion: code, messageIds });
  const copies = await ctx.db.run(copiesOfDue, [messageIds]);
  await record(ctx, ...copies.map(({ id, ...copy }) => ({ action: "message.expiring" as const, subjectId: id, code, ...copy })));
  return due.length;
}

/** Sorts after every other id: all that expires at that instant is done. */
const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const lockProgress = statement<{ through: Date; id: string }>(
  "warnings-lock",
  "select warned_through as through, warned_id as id from expiry_warnings where days_before = $1 for update skip locked",
);

const setProgress = statement("warnings-advance", "update expiry_warnings set warned_through = $2, warned_id = $3 where days_before = $1");

const dueMessages = statement<{ id: string; expiresAt: Date }>(
  "warnings-due",
  `select id, expires_at as "expiresAt" from messages
   where expires_at >= $1 and (expires_at, id) > ($1, $2::uuid) and expires_at <= $3 order by expires_at, id limit $4`,
);

const copiesOfDue = statement<{ mailboxId: string; id: string; messageId: string }>(
  "warnings-copies",
  `select mailbox_id as "mailboxId", id, message_id as "messageId" from copies where message_id = any ($1::uuid[])`,
);
