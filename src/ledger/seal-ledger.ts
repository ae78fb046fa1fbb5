import { setTimeout } from "node:timers/promises";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { ORGANISATION_STREAM } from "./event.ts";
import { eventHashInSql, HASH_BYTES } from "./event-hash.ts";
import { ContentDigest, hashSeal, isSignedBy, readSeal, type SealedRange, signSeal } from "./seal.ts";
import { readSigningKeys, type SigningKeys } from "./signing-keys.ts";

const SEALING_LOCK = 7_316_202_604;
/** Events in one seal at most. */
const BATCH = 10_000;

/**
 * Seals all that happened up to now, a bounded batch at a time, in one walk through the mailboxes: what moves behind it is
 * for the next run. Where two workers try at once, one of them does it. It rests as long as it works: nobody waits for it.
 */
export async function sealLedger(ctx: Ctx, stop?: AbortSignal, batch = BATCH): Promise<void> {
  const keys = await readSigningKeys(ctx.config);
  for (let place: string | null = ORGANISATION_STREAM; ;) {
    const began = performance.now();
    place = await sealBatch(ctx, keys, batch, place);
    if (place === null || stop?.aborted) return;
    await setTimeout(performance.now() - began);
  }
}

/**
 * Makes the next seal of at most `batch` events in mailboxes from `place` on, and returns the place to go on from; null if
 * nothing is left. A mailbox's events are numbered without a gap under its row's lock, so all up to the `last_sequence`
 * that is seen are committed and nothing can come in behind.
 */
async function sealBatch(ctx: Ctx, { signer, trusted }: SigningKeys, batch: number, place: string): Promise<string | null> {
  if (signer === null) throw new Error("AUDIT_SIGNING_KEY holds no private key to seal the ledger with");
  return inTransaction(ctx, async ({ db, clock }) => {
    if (!(await db.one(takeLock, [SEALING_LOCK])).taken) return null;
    const [last] = await db.run(lastSeal);
    // To chain onto a forged seal would vouch for it.
    if (last && !(isSignedBy(trusted, last.jws) && readSeal(last.jws)?.payload.number === last.number))
      throw new Error("The last seal of the ledger was not signed by a key of AUDIT_SIGNING_KEY; nothing is sealed after it until that is explained");

    const candidates = await db.run(movedMailboxes, [place, batch]);
    const moved = withinBatch(candidates, batch);
    const noted = [...moved, ...candidates.flatMap(({ mailboxId, from, to }) => (from >= to ? [{ mailboxId, to: from }] : []))];
    await db.run(noteSealed, [noted.map(({ mailboxId }) => mailboxId), noted.map(({ to }) => to)]);
    const ranges = await db.run(hashRanges, [moved.map(({ mailboxId }) => mailboxId), moved.map(({ from }) => from), moved.map(({ to }) => to)]);
    const events = moved.reduce((sum, { from, to }) => sum + to - from, 0);
    if (events === 0) return null;

    const number = (last?.number ?? 0) + 1;
    const previous = last ? hashSeal(last.jws) : null;
    const jws = signSeal({ number, previous, sealedAt: clock.now().toISOString(), events, content: contentOf(ranges) }, signer);
    await db.run(insertSeal, [
      number,
      jws,
      ranges.map(({ mailboxId }) => mailboxId),
      ranges.map(({ toSequence }) => toSequence),
      ranges.map(({ hashes }) => hashes),
    ]);
    return events < batch ? null : (ranges.at(-1)?.mailboxId ?? null);
  });
}

/** What moved, cut off where a batch is full. */
function withinBatch(moved: readonly Moved[], batch: number): Moved[] {
  let left = batch;
  return moved.flatMap(({ mailboxId, from, to }) => {
    const taken = Math.min(to - from, left);
    left -= taken;
    return taken > 0 ? [{ mailboxId, from, to: from + taken }] : [];
  });
}

function contentOf(ranges: readonly SealedRange[]): string {
  const digest = new ContentDigest();
  for (const range of ranges) digest.add(range);
  return digest.end();
}

/** A mailbox with events after those sealed already. */
interface Moved {
  readonly mailboxId: string;
  readonly from: number;
  readonly to: number;
}

const takeLock = statement<{ taken: boolean }>("seal-lock", "select pg_try_advisory_xact_lock($1) as taken");

const lastSeal = statement<{ number: number; jws: string }>("seal-last", "select number, jws from seals order by number desc limit 1");

/** `sealed_until` only finds them fast: where a range begins is read from the ranges themselves. */
const movedMailboxes = statement<{ mailboxId: string; from: number; to: number }>(
  "seal-moved",
  `select moved.id as "mailboxId", coalesce((select max(to_sequence) from sealed_ranges r where r.mailbox_id = moved.id), 0) as "from", moved.last_sequence as "to"
   from (select m.id, m.last_sequence from mailboxes m left join sealed_until s on s.mailbox_id = m.id
         where m.id >= $1 and m.last_sequence <> coalesce(s.sequence, 0) order by m.id limit $2) as moved order by moved.id`,
);

/** A row that is missing leaves its hash zero, which says for ever that it was missing already. */
const hashRanges = statement<SealedRange>(
  "seal-hash",
  `select range.mailbox_id as "mailboxId", range.until as "toSequence", hashed.hashes
   from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as range (mailbox_id, after, until)
   cross join lateral (
     select string_agg(case when e.id is null then '\\x${"00".repeat(HASH_BYTES)}' else ${eventHashInSql} end, ''::bytea order by n.sequence) as hashes
     from generate_series(range.after + 1, range.until) as n (sequence)
     left join events e on e.mailbox_id = range.mailbox_id and e.sequence > range.after and e.sequence <= range.until and e.sequence = n.sequence
   ) as hashed
   order by range.mailbox_id`,
);

/** A note that was wrong is set right, too. */
const noteSealed = statement(
  "seal-note",
  `insert into sealed_until (mailbox_id, sequence) select * from unnest($1::uuid[], $2::bigint[])
   on conflict (mailbox_id) do update set sequence = excluded.sequence`,
);

const insertSeal = statement(
  "seal-insert",
  `with range as (
     insert into sealed_ranges (mailbox_id, to_sequence, seal, hashes)
     select mailbox_id, to_sequence, $1, hashes from unnest($3::uuid[], $4::bigint[], $5::bytea[]) as r (mailbox_id, to_sequence, hashes)
   )
   insert into seals (number, jws) values ($1, $2)`,
);
