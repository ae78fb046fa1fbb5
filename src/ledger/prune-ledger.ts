import type { DataSource } from "typeorm";
import { poolOf, statement, withTransaction } from "../db/database.ts";
import { firstIdAt } from "../ids.ts";
import { writeEvents } from "./record.ts";
import { readSeal } from "./seal.ts";

/** Years for which events are kept (45 CFR 164.316(b)(2)(i) asks for six). */
export const LEDGER_YEARS = 6;

const BATCH = 5000;

/** Events of seals made until this instant may go. */
export function keptSince(now: Date): Date {
  const instant = new Date(now);
  instant.setUTCFullYear(instant.getUTCFullYear() - LEDGER_YEARS);
  return instant;
}

/**
 * Removes events out of time, oldest first, in bounded batches, each recorded in its own transaction, and returns how many.
 * Needs the owner's connection: the application's own may not. The seals and hashes stay, so that the chain can still be
 * verified from its beginning, and the signed date of a seal alone says that its events may be gone.
 */
export async function pruneLedger(owner: DataSource, now: Date): Promise<number> {
  const since = keptSince(now);
  const lastOutOfTime = await lastSealUntil(owner, since);
  for (let removed = 0; ;) {
    const batch = await withTransaction(owner, async (db) => {
      const rows = await db.run(removeEvents, [firstIdAt(since), lastOutOfTime, BATCH]);
      if (rows.length > 0) await writeEvents(db, now, null, [{ action: "audit.pruned" }]);
      return rows.length;
    });
    removed += batch;
    if (batch < BATCH) return removed;
  }
}

/** The number of the last seal that was made until an instant, 0 if there is none; found by halving, as their dates ascend. */
async function lastSealUntil(owner: DataSource, instant: Date): Promise<number> {
  const pool = poolOf(owner);
  const { rows } = await pool.query<{ number: number }>(lastNumber);
  let low = 0;
  let high = rows[0]?.number ?? 0;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const { rows } = await pool.query<{ jws: string }>({ ...sealByNumber, values: [middle] });
    const sealedAt = readSeal(rows[0]?.jws ?? "")?.payload.sealedAt;
    if (sealedAt !== undefined && new Date(sealedAt) <= instant) low = middle;
    else high = middle - 1;
  }
  return low;
}

const lastNumber = statement<{ number: number }>("seals-last-number", "select number from seals order by number desc limit 1");
const sealByNumber = statement<{ jws: string }>("seals-by-number", "select jws from seals where number = $1");

const removeEvents = statement<{ sequence: number }>(
  "prune-events",
  `delete from events where (mailbox_id, sequence) in
     (select e.mailbox_id, e.sequence from events e
      cross join lateral (select seal from sealed_ranges r where r.mailbox_id = e.mailbox_id and r.to_sequence >= e.sequence order by r.to_sequence limit 1) range
      where e.id < $1 and range.seal <= $2 order by e.id limit $3)
   returning sequence`,
);
