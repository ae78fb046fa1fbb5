import { RateLimiterPostgres, RateLimiterRes } from "rate-limiter-flexible";
import type { Pool } from "pg";
import { isIPv4, isIPv6 } from "node:net";
import { SECOND, systemClock } from "../clock.ts";
import { createCtx, type Ctx } from "../context.ts";
import { poolOf, statement } from "../db/database.ts";
import type { Action } from "../ledger/event.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";

/** How often something may be tried with one key. Nobody is ever locked out: the wait between two tries only grows. */
interface Rule {
  /** So many attempts cost no wait. The last of them begins the first wait, and each one after it doubles that. */
  readonly free: number;
  /** Counting begins afresh so long after the first attempt that was counted; a day if left out. */
  readonly forgetAfterMinutes?: number;
  /** The first wait; 2 if left out. */
  readonly firstDelaySeconds?: number;
  /** No wait is longer; 900 if left out. */
  readonly longestDelaySeconds?: number;
  /** Written to the ledger, with the rule's name as its code, when somebody is made to wait: once in 15 minutes for each key. */
  readonly event?: Action;
}

/**
 * What is counted, each by its own key: an account, an address, where a request comes from. Waiting costs one account its
 * quarter of an hour at most; a source is shared by a household or an office, so its waits stay short.
 */
export const attemptRules = {
  "sign-in/account": { free: 10, event: "sign-in.throttled" },
  "sign-in/device": { free: 10, event: "sign-in.throttled" },
  "sign-in/source": { free: 50, forgetAfterMinutes: 60, longestDelaySeconds: 60, event: "sign-in.throttled" },
  "sign-in-code/account": { free: 3, forgetAfterMinutes: 60, firstDelaySeconds: 60 },
  "sign-in-code/device": { free: 3, forgetAfterMinutes: 60, firstDelaySeconds: 60 },
  "sign-in-code/source": { free: 20, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "verify-notice/source": { free: 30, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "report-notice/source": { free: 10, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "confirm/account": { free: 10 },
  "validation/notice": { free: 10 },
  "validation/source": { free: 50, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "code/request": { free: 10 },
  "code/source": { free: 50, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "enrol/token": { free: 20 },
  "enrol/source": { free: 50, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "reset/account": { free: 10, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "reset/source": { free: 50, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "address/account": { free: 10 },
  "single-sign-on/source": { free: 1000, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "second-factor/account": { free: 5, event: "sign-in.throttled" },
  "confirm-identity/account": { free: 10, event: "sign-in.throttled" },
  "passkey-challenge/source": { free: 300, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
  "invitation/source": { free: 500, forgetAfterMinutes: 60, longestDelaySeconds: 60 },
} as const satisfies Readonly<Record<string, Rule>>;

/** One of the things that are counted. */
export type AttemptRule = keyof typeof attemptRules;

/** One attempt, to be counted against one key. */
export interface Attempt {
  readonly rule: AttemptRule;
  /** What it is counted for, as it is: it is hashed here. IPv6 addresses count by their network of 64 bits. */
  readonly key: string;
}

/** An attempt that was counted, and whether the next one has to wait for it. */
export interface Counted extends Attempt {
  readonly beganWait: boolean;
}

const BURST_SECONDS = 15 * 60;

/**
 * Counts attempts, all nodes together; refuses with THROTTLED and `retryAfter` while one of the keys has to wait, and then
 * counts none of them. What it counts stays counted whatever becomes of the caller's transaction; call it before you open one,
 * since it takes a connection of its own. Attempts at once are counted one by one: asking in parallel gains nothing. Returns
 * what `uncountAttempts` takes.
 */
export async function countAttempts(ctx: Ctx, ...attempts: Attempt[]): Promise<Counted[]> {
  const { waits } = limitersOf(ctx);
  const closed = await Promise.all(attempts.map((attempt) => waits.get(waitKeyOf(ctx, attempt))));
  const longest = Math.max(0, ...closed.map((wait) => wait?.msBeforeNext ?? 0));
  const waiting = attempts.find((_attempt, n) => closed[n] !== null);
  if (waiting !== undefined) return makeWait(ctx, waiting, longest);
  const counted: Counted[] = [];
  for (const attempt of attempts) {
    const { beganWait, mustWait } = await countOne(ctx, attempt);
    counted.push({ ...attempt, beganWait });
    if (mustWait === 0) continue;
    await uncountAttempts(ctx, ...counted);
    return makeWait(ctx, attempt, mustWait);
  }
  return counted;
}

/** Takes back attempts that were counted and turned out to be none, and the waits that they began: all is as before them. */
export async function uncountAttempts(ctx: Ctx, ...counted: Counted[]): Promise<void> {
  const { counts, waits } = limitersOf(ctx);
  for (const attempt of counted) {
    await counts.reward(keyOf(ctx, attempt), 1, { customDuration: forgetSecondsOf(attempt) });
    if (attempt.beganWait) await waits.delete(waitKeyOf(ctx, attempt));
  }
}

/** Forgets all that was counted for these keys, and their waits: whoever succeeded begins afresh. */
export async function forgiveAttempts(ctx: Ctx, ...attempts: Attempt[]): Promise<void> {
  const { counts, waits } = limitersOf(ctx);
  await Promise.all(attempts.flatMap((attempt) => [counts.delete(keyOf(ctx, attempt)), waits.delete(waitKeyOf(ctx, attempt))]));
}

/** Removes a batch of what has expired; returns how many. */
export async function sweepAttempts({ db }: Ctx, batch: number): Promise<number> {
  return (await db.run(dropExpired, [systemClock.now().getTime(), batch])).length;
}

/** Where a request comes from, for counting: an IPv6 address by its first 64 bits, since a household has them all; an IPv4 address as it is. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [plain = ""] = address.split("%"); // Without the zone of a link-local address
  const mapped = /^::ffff:(.+)$/i.exec(plain)?.[1] ?? "";
  if (isIPv4(mapped)) return mapped;
  const [head = "", tail] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split("::");
  const before = head.split(":").filter(Boolean);
  const behind = tail?.split(":").filter(Boolean) ?? [];
  const groups = [...before, ...Array<string>(8 - before.length - behind.length).fill("0"), ...behind];
  return `${groups.slice(0, 4).join(":")}::/64`;
}

/** Counts one attempt; it may go ahead if `mustWait` is 0 milliseconds. */
async function countOne(ctx: Ctx, attempt: Attempt): Promise<{ beganWait: boolean; mustWait: number }> {
  const { counts, waits } = limitersOf(ctx);
  const { free, firstDelaySeconds = 2, longestDelaySeconds = 900 } = ruleOf(attempt);
  const { consumedPoints } = await counts.penalty(keyOf(ctx, attempt), 1, { customDuration: forgetSecondsOf(attempt) });
  if (consumedPoints < free) return { beganWait: false, mustWait: 0 };
  const delay = Math.min(firstDelaySeconds * 2 ** Math.min(consumedPoints - free, 30), longestDelaySeconds);
  const mustWait = await onceIn(waits, waitKeyOf(ctx, attempt), delay);
  return { beganWait: mustWait === 0, mustWait };
}

/** Says that it happens now, unless it did within so many seconds: then for how many milliseconds it must not. */
async function onceIn(waits: RateLimiterPostgres, key: string, seconds: number): Promise<number> {
  try {
    await waits.consume(key, 1, { customDuration: seconds });
    return 0;
  } catch (error) {
    if (error instanceof RateLimiterRes) return Math.max(error.msBeforeNext, 1);
    throw error;
  }
}

async function makeWait(ctx: Ctx, attempt: Attempt, milliseconds: number): Promise<never> {
  const { event } = ruleOf(attempt);
  if (event !== undefined && (await onceIn(limitersOf(ctx).waits, `${keyOf(ctx, attempt)}:burst`, BURST_SECONDS)) === 0) {
    ctx.log.warn({ requestId: ctx.requestId, rule: attempt.rule, source: networkOf(ctx.source) }, "attempts have to wait");
    await record(createCtx(ctx, ctx), { action: event, actorId: null, code: attempt.rule }); // In no transaction: the refusal would take it back
  }
  const retryAfter = Math.ceil(milliseconds / SECOND);
  return refuse(ProblemCode.THROTTLED, "There were too many attempts. Wait for as many seconds as `retryAfter` says, then try again.", { retryAfter });
}

interface Limiters {
  /** How often a key was tried. */
  readonly counts: RateLimiterPostgres;
  /** One point a key and wait: while it is spent, the key waits. */
  readonly waits: RateLimiterPostgres;
}

const limiters = new WeakMap<Pool, Limiters>();

/**
 * The library takes the real time and cannot be told another, so `ctx.clock` has no say here: moving a sandbox's clock shortens
 * no wait. An absent database makes it throw as every statement does, and nothing is let through.
 */
function limitersOf({ dataSource }: Ctx): Limiters {
  const pool = poolOf(dataSource);
  let known = limiters.get(pool);
  if (known === undefined) {
    const common = { storeClient: pool, storeType: "pool", tableName: "attempts", tableCreated: true, clearExpiredByTimeout: false, keyPrefix: "" };
    known = {
      counts: new RateLimiterPostgres({ ...common, points: Number.MAX_SAFE_INTEGER, duration: BURST_SECONDS }),
      waits: new RateLimiterPostgres({ ...common, points: 1, duration: BURST_SECONDS }),
    };
    limiters.set(pool, known);
  }
  return known;
}

function ruleOf({ rule }: Attempt): Rule {
  return attemptRules[rule];
}

function forgetSecondsOf(attempt: Attempt): number {
  return (ruleOf(attempt).forgetAfterMinutes ?? 24 * 60) * 60;
}

function keyOf({ keyedHash }: Ctx, { rule, key }: Attempt): string {
  return `${rule}:${keyedHash.hash(`attempt ${rule}`, networkOf(key)).toString("base64url")}`;
}

function waitKeyOf(ctx: Ctx, attempt: Attempt): string {
  return `${keyOf(ctx, attempt)}:wait`;
}

const dropExpired = statement<{ key: string }>(
  "sweep-attempts",
  "delete from attempts where key in (select key from attempts where expire <= $1 order by expire limit $2 for update skip locked) returning key",
);
