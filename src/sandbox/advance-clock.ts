import { carrySessions } from "../accounts/carry-sessions.ts";
import { after, DAY, dayNumber, HOUR, MINUTE } from "../clock.ts";
import { type Ctx, inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";
import { SandboxClock } from "./sandbox-clock.ts";

/** The most days that the clock moves at once. */
export const MAX_DAYS_AT_ONCE = 400;
/** The most days that it runs ahead of the real time. */
export const MAX_DAYS_AHEAD = 3650;

/** How far the clock shall move, or to which instant. */
export interface Advance {
  readonly days?: number | null;
  readonly hours?: number | null;
  readonly minutes?: number | null;
  readonly to?: Date | null;
}

/**
 * Moves a sandbox's clock forward, from midnight to midnight (UTC) so that no job misses a day, and runs what is due at
 * each. Recorded first: a crash on the way leaves the clock at one of those midnights, and who moved it known.
 */
export async function advanceClock(ctx: ViewerCtx, input: Advance): Promise<void> {
  const clock = sandboxClockOf(ctx);
  const destination = destinationOf(clock, input);
  await record(ctx, { action: "clock.advanced", code: destination.toISOString() });
  while (clock.now() < destination) {
    const now = clock.now();
    const midnight = (dayNumber(now) + 1) * DAY;
    const ahead = clock.ahead + Math.min(midnight, destination.getTime()) - now.getTime();
    await inTransaction(ctx, (ctx) => moveAhead(ctx, ahead));
    await clock.refresh();
    await clock.runDueJobs();
  }
}

function sandboxClockOf({ clock }: Ctx): SandboxClock {
  return clock instanceof SandboxClock ? clock : refuse(ProblemCode.FORBIDDEN, "The clock moves in a sandbox only: start the server with SANDBOX=1.");
}

function destinationOf(clock: SandboxClock, { days, hours, minutes, to }: Advance): Date {
  const now = clock.now();
  const field = to ? "to" : "days";
  const distance = (days ?? 0) * DAY + (hours ?? 0) * HOUR + (minutes ?? 0) * MINUTE;
  if (to && distance !== 0) refuse(ProblemCode.INVALID_INPUT, "Say how far the clock shall move or to which instant, not both.", { field });
  const ahead = to ? to.getTime() - now.getTime() : distance;
  if (ahead <= 0) refuse(ProblemCode.INVALID_INPUT, "The clock moves forward only.", { field });
  withinLimit(Math.ceil(ahead / DAY), MAX_DAYS_AT_ONCE, field, "Days at once");
  withinLimit(Math.ceil((clock.ahead + ahead) / DAY), MAX_DAYS_AHEAD, field, "Days ahead of the real time");
  return after(now, ahead);
}

/** Somebody else may have moved it as far meanwhile; then there is nothing left to do. */
async function moveAhead(ctx: ViewerCtx, ahead: number): Promise<void> {
  const { ahead: before } = await ctx.db.one(lockAhead);
  if (before >= ahead) return;
  await ctx.db.run(setAhead, [ahead]);
  await carrySessions(ctx, ahead - before);
  ctx.transaction?.topics.add("clock");
}

const lockAhead = statement<{ ahead: number }>("sandbox-lock-ahead", "select ahead_ms as ahead from sandbox_clock for update");

const setAhead = statement("sandbox-set-ahead", "update sandbox_clock set ahead_ms = $1");
