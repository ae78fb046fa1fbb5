import { before, DAY } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { firstIdAt } from "../ids.ts";
import { makeNoticesDue } from "../messages/due-notices.ts";

/** So many days after its sending people are reminded of a message that they have left unread. */
export const REMINDER_DAYS = [3, 14] as const;

/** After an outage nobody is reminded of what is older than so many days: the next reminder comes then, or the warnings of its expiry. */
const TOO_LATE: Record<(typeof REMINDER_DAYS)[number], number> = { 3: 14, 14: 30 };

/** How many messages one transaction looks at. */
const BATCH = 200;

/**
 * Makes reminders due of all that has become so many days old, message by message in the order of their sending. A row for
 * each distance says how far that has gone and moves in the same transaction, so that each reminder becomes due once.
 */
export async function remindOfUnread(ctx: Ctx, stop?: AbortSignal): Promise<void> {
  for (const days of REMINDER_DAYS) while ((await inTransaction(ctx, (ctx) => remind(ctx, days))) === BATCH) if (stop?.aborted) return;
}

async function remind(ctx: Ctx, days: (typeof REMINDER_DAYS)[number]): Promise<number> {
  const now = ctx.clock.now();
  const [progress] = await ctx.db.run(lockProgress, [days]);
  if (progress === undefined) return 0; // Another node is at it
  const oldest = firstIdAt(before(now, TOO_LATE[days] * DAY));
  const from = progress.through > oldest ? progress.through : oldest;
  const due = await ctx.db.run(sentBetween, [from, firstIdAt(before(now, days * DAY - 1)), BATCH]);
  const last = due.at(-1);
  if (last === undefined) return 0;
  await makeNoticesDue(ctx, { kind: "reminder", occasion: String(days), messageIds: due.map(({ id }) => id) });
  await ctx.db.run(setProgress, [days, last.id]);
  return due.length;
}

const lockProgress = statement<{ through: string }>(
  "reminders-lock",
  "select reminded_through as through from reminders where days_after = $1 for update skip locked",
);

const setProgress = statement("reminders-advance", "update reminders set reminded_through = $2 where days_after = $1");

const sentBetween = statement<{ id: string }>("reminders-due", "select id from messages where id > $1 and id < $2 order by id limit $3");
