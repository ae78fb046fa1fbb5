import { before, DAY, dayNumber } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { timeOf } from "../ids.ts";
import { RETENTION_DAYS } from "../limits.ts";
import type { Opener } from "../vault/seal.ts";
import { beginningsOf, soughtFor, type Term } from "../words/search-term.ts";
import { addNumbersOfAny, hasAny } from "../words/word-list.ts";
import { bucketOf, firstIdOfDay, type GatheredDay, gatheredDays, groupOf, openBucketKey } from "./gathered-days.ts";
import { Pauses } from "./pauses.ts";
import { type IdRange, wordLists } from "./word-lists.ts";

/** The first step looks at the latest days only, where a frequent word fills the page. */
const FIRST_DAYS = 4;
const BUCKETS_AT_ONCE = 64;

/**
 * The ids of a mailbox's copies that have all the terms, newest first, some at a time: from buckets for days that are
 * gathered, and list by list for newer days and for what outlived its day by a hold. Whether the copies are still there,
 * and which of them are asked for, is for the caller to see.
 */
export async function* findCandidates(ctx: Ctx, mailboxId: string, terms: readonly Term[], range: IdRange): AsyncGenerator<string[]> {
  const sought = terms.map(soughtFor);
  const groups = [...new Set(terms.flatMap(beginningsOf).map(groupOf))];
  const oldestKept = dayNumber(before(ctx.clock.now(), RETENTION_DAYS * DAY));
  const days = await gatheredDays(ctx, mailboxId, Math.max(oldestKept, dayNumber(timeOf(range.from))), dayNumber(timeOf(range.to)));
  const [newest, oldest] = [days[0], days.at(-1)];
  yield* inLists(ctx, mailboxId, sought, { from: newest ? later(range.from, firstIdOfDay(newest.day + 1)) : range.from, to: range.to });
  for await (const ids of inDays(ctx, mailboxId, sought, groups, days)) yield ids.filter((id) => id >= range.from && id < range.to);
  if (oldest) yield* inLists(ctx, mailboxId, sought, { from: range.from, to: firstIdOfDay(oldest.day) });
}

/** For each term of a query what to look for in a list: any of these. */
type Sought = readonly Buffer[][];

async function* inLists(ctx: Ctx, mailboxId: string, sought: Sought, range: IdRange): AsyncGenerator<string[]> {
  for await (const copies of wordLists(ctx, mailboxId, range)) {
    yield copies.filter(({ list }) => sought.every((any) => hasAny(list, any))).map(({ id }) => id);
  }
}

async function* inDays(ctx: Ctx, mailboxId: string, sought: Sought, groups: readonly string[], days: readonly GatheredDay[]): AsyncGenerator<string[]> {
  const opener = await ctx.dataKeys.forSealed(days.map(({ bucketKey }) => bucketKey));
  const mostDays = Math.ceil(BUCKETS_AT_ONCE / groups.length);
  for (let start = 0, count = Math.min(FIRST_DAYS, mostDays); start < days.length; start += count, count = mostDays) {
    const hits = await hitsIn(ctx, opener, mailboxId, sought, groups, days.slice(start, start + count));
    if (hits.size === 0) continue;
    const rows = await ctx.db.run(copyIds, [mailboxId, [...hits.keys()]]);
    yield rows.flatMap((row) => idsOf(row.copyIds, hits.get(row.day) ?? []));
  }
}

/** The numbers of the copies that have all terms, for those of these days that have any. */
async function hitsIn(
  ctx: Ctx,
  opener: Opener,
  mailboxId: string,
  sought: Sought,
  groups: readonly string[],
  days: readonly GatheredDay[],
): Promise<Map<number, number[]>> {
  const wanted = days.flatMap(({ day, bucketKey }) => {
    const key = openBucketKey(opener, mailboxId, bucketKey);
    return [...new Set(groups.map((group) => bucketOf(key, group)))].map((bucket) => ({ day, bucket }));
  });
  const rows = await ctx.db.run(bucketsOfDays, [mailboxId, wanted.map(({ day }) => day), wanted.map(({ bucket }) => bucket)]);
  const numbers = new Map(days.map(({ day }) => [day, sought.map(() => new Set<number>())]));
  const pauses = new Pauses();
  for (const { day, bucket, sealed } of rows) {
    const list = opener.openBytes({ id: mailboxId, field: `bucket/${bucket}` }, sealed);
    for (const [n, found] of (numbers.get(day) ?? []).entries()) addNumbersOfAny(list, sought[n] ?? [], found);
    await pauses.after(sealed.length);
  }
  const common = [...numbers].map(([day, found]) => [day, inAll(found)] as const);
  return new Map(common.filter(([, some]) => some.length > 0));
}

/** What all of these sets have. */
function inAll(sets: readonly ReadonlySet<number>[]): number[] {
  const [least = new Set<number>(), ...others] = sets.toSorted((one, other) => one.size - other.size);
  return [...least].filter((number) => others.every((set) => set.has(number)));
}

/** The ids that these numbers stand for, newest first. */
function idsOf(copyIds: Buffer, numbers: readonly number[]): string[] {
  const ids = numbers.map((n) => copyIds.toString("hex", 16 * n, 16 * n + 16));
  return ids
    .sort()
    .reverse()
    .map((hex) => `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`);
}

function later(one: string, other: string): string {
  return one > other ? one : other;
}

const bucketsOfDays = statement<{ day: number; bucket: number; sealed: Buffer }>(
  "search-buckets",
  `select d.day, d.bucket, d.sealed from unnest($2::int[], $3::smallint[]) as wanted (day, bucket)
   join search_days d on d.mailbox_id = $1 and d.bucket = wanted.bucket and d.day = wanted.day`,
);

const copyIds = statement<{ day: number; copyIds: Buffer }>(
  "search-copy-ids",
  `select day, copy_ids as "copyIds" from search_gathered_days where mailbox_id = $1 and day = any ($2::int[]) order by day desc`,
);
