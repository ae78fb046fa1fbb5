import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { before, DAY, dayNumber, HOUR } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { firstIdAt } from "../ids.ts";
import { RETENTION_DAYS } from "../limits.ts";
import { formsIn } from "../words/word-list.ts";
import { Buckets, BUCKETS, firstIdOfDay, openBucketKey } from "./gathered-days.ts";
import { wordLists } from "./word-lists.ts";

/** Mailboxes of up to so many copies are searched list by list. */
const SMALL_MAILBOX = 500;
/** A day is finished once nothing that was begun on it can still be committed, whichever node's clock it was sent by. */
const UNFINISHED_HOURS = 1;
const MAILBOXES_AT_ONCE = 100;
const DAYS_AT_ONCE = 100;

/**
 * Gathers the words of large mailboxes' finished days into buckets, gathers days again that have lost copies, and drops
 * days whose key is gone. Each day is a transaction of its own, oldest first: stopped or killed it goes on from there.
 */
export async function gatherSearchDays(ctx: Ctx, stop: AbortSignal, smallMailbox = SMALL_MAILBOX): Promise<void> {
  const now = ctx.clock.now();
  const oldest = dayNumber(before(now, RETENTION_DAYS * DAY));
  while ((await ctx.db.one(dropDays, [oldest, DAYS_AT_ONCE, BUCKETS])).dropped === DAYS_AT_ONCE);
  for (let [stale] = await ctx.db.run(staleDay); stale !== undefined && !stop.aborted; [stale] = await ctx.db.run(staleDay)) {
    await gatherDay(ctx, stale.mailboxId, stale.day);
  }
  const end = firstIdOfDay(dayNumber(before(now, UNFINISHED_HOURS * HOUR)));
  for (let last = firstIdAt(new Date(0)); !stop.aborted;) {
    const mailboxes = await ctx.db.run(mailboxesToGather, [last, smallMailbox, firstIdOfDay(oldest), end, MAILBOXES_AT_ONCE]);
    for (const { mailboxId, from } of mailboxes) await gatherMailbox(ctx, stop, mailboxId, from, end);
    last = mailboxes.at(-1)?.mailboxId ?? last;
    if (mailboxes.length < MAILBOXES_AT_ONCE) return;
  }
}

async function gatherMailbox(ctx: Ctx, stop: AbortSignal, mailboxId: string, from: string, end: string): Promise<void> {
  for (let [next] = await ctx.db.run(nextCopy, [mailboxId, from, end]); next !== undefined && !stop.aborted;) {
    const day = dayNumber(next.sentAt);
    await gatherDay(ctx, mailboxId, day);
    [next] = await ctx.db.run(nextCopy, [mailboxId, firstIdOfDay(day + 1), end]);
  }
}

async function gatherDay(ctx: Ctx, mailboxId: string, day: number): Promise<void> {
  const key = await ctx.dataKeys.ofDay(new Date(day * DAY));
  await inTransaction(ctx, async (ctx) => {
    const fresh = key.sealBytes({ id: mailboxId, field: "bucket-key" }, randomBytes(32));
    const claimed = await ctx.db.one(claimDay, [mailboxId, day, fresh]);
    const bucketKey = openBucketKey(await ctx.dataKeys.forSealed([claimed.bucketKey]), mailboxId, claimed.bucketKey);
    const numbers = new Map(Array.from({ length: claimed.copyIds.length / 16 }, (_, n) => [claimed.copyIds.toString("hex", 16 * n, 16 * n + 16), n]));
    const buckets = new Buckets(bucketKey);
    for await (const copies of wordLists(ctx, mailboxId, { from: firstIdOfDay(day), to: firstIdOfDay(day + 1) })) {
      for (const { id, list } of copies) {
        const hex = id.replaceAll("-", "");
        const number = numbers.get(hex) ?? numbers.size;
        numbers.set(hex, number);
        for (const form of formsIn(list)) buckets.add(form, number);
        await setImmediate();
      }
    }
    if (buckets.isEmpty) {
      await ctx.db.run(removeDay, [mailboxId, day]);
      return;
    }
    const sealed: Buffer[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      sealed.push(key.sealBytes({ id: mailboxId, field: `bucket/${bucket}` }, buckets.list(bucket)));
      await setImmediate();
    }
    await ctx.db.run(writeDay, [mailboxId, day, Buffer.from([...numbers.keys()].join(""), "hex"), sealed.map((_, n) => n), sealed]);
  });
}

// Expired days go by their date alone: their key is destroyed, or about to be.
const dropDays = statement<{ dropped: number }>(
  "search-days-drop",
  `with gone as (
     delete from search_gathered_days where (mailbox_id, day) in (select mailbox_id, day from search_gathered_days where day < $1 order by day limit $2 for update skip locked)
     returning mailbox_id, day
   ), emptied as (
     delete from search_days d using gone g, generate_series(0, $3::int - 1) as b (bucket) where d.mailbox_id = g.mailbox_id and d.bucket = b.bucket and d.day = g.day
   )
   select count(*)::int as dropped from gone`,
);

const staleDay = statement<{ mailboxId: string; day: number }>(
  "search-day-stale",
  `select mailbox_id as "mailboxId", day from search_gathered_days where stale_since is not null order by mailbox_id, day limit 1`,
);

// An id begins with the milliseconds since 1970 in twelve hexadecimal digits (RFC 9562): the least of a day has only these.
const mailboxesToGather = statement<{ mailboxId: string; from: string }>(
  "search-mailboxes-to-gather",
  `select m.id as "mailboxId", next.id as from
   from mailboxes m cross join lateral (
     select greatest($3::uuid, rpad(lpad(to_hex((coalesce(max(g.day), -1) + 1) * 86400000::bigint), 12, '0'), 32, '0')::uuid) as id, max(g.day) is not null as gathered
     from search_gathered_days g where g.mailbox_id = m.id
   ) next
   where m.id > $1 and m.last_sequence > $2
     and exists (select from copies c where c.mailbox_id = m.id and c.id >= next.id and c.id < $4)
     and (next.gathered or (select count(*) from (select from copies c where c.mailbox_id = m.id limit $2 + 1) c) > $2)
   order by m.id limit $5`,
);

const nextCopy = statement<{ sentAt: Date }>(
  "search-next-copy",
  `select sent_at as "sentAt" from copies where mailbox_id = $1 and id >= $2 and id < $3 order by id limit 1`,
);

// Locks the day's row, so that of two jobs the second begins where the first has ended, and a deletion waits to mark it.
const claimDay = statement<{ bucketKey: Buffer; copyIds: Buffer }>(
  "search-day-claim",
  `insert into search_gathered_days (mailbox_id, day, bucket_key, copy_ids) values ($1, $2, $3, '')
   on conflict (mailbox_id, day) do update set stale_since = null returning bucket_key as "bucketKey", copy_ids as "copyIds"`,
);

const writeDay = statement(
  "search-day-write",
  `with day as (update search_gathered_days set copy_ids = $3 where mailbox_id = $1 and day = $2)
   insert into search_days (mailbox_id, bucket, day, sealed)
   select $1, b.bucket, $2, b.sealed from unnest($4::smallint[], $5::bytea[]) as b (bucket, sealed)
   on conflict (mailbox_id, bucket, day) do update set sealed = excluded.sealed`,
);

const removeDay = statement(
  "search-day-remove",
  `with day as (delete from search_gathered_days where mailbox_id = $1 and day = $2) delete from search_days where mailbox_id = $1 and day = $2`,
);
