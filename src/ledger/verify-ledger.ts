import type { ClientBase, QueryResultRow } from "pg";
import { type EventText, eventText, HASH_BYTES, hashEvent } from "./event-hash.ts";
import { keptSince } from "./prune-ledger.ts";
import { ContentDigest, hashSeal, isSignedBy, readSeal, type SealedRange } from "./seal.ts";
import type { SigningKeys } from "./signing-keys.ts";

/** Something about the ledger that is not as it was sealed. */
export type Finding =
  | { readonly what: "changed" | "inserted"; readonly mailboxId: string; readonly sequence: number }
  /** From `sequence` to `through` where several are gone that were not sealed yet. */
  | { readonly what: "removed"; readonly mailboxId: string; readonly sequence: number; readonly through?: number }
  /** The row at `sequence` was sealed at `from`. */
  | { readonly what: "reordered"; readonly mailboxId: string; readonly sequence: number; readonly from: number }
  | { readonly what: "seal"; readonly seal: number; readonly fault: string };

/** What a verification is given, and whom it tells what it finds. */
export interface Verification {
  readonly trusted: SigningKeys["trusted"];
  /** A seal that was kept elsewhere, as it was published: shows whether the end was cut off. */
  readonly published?: string;
  readonly now: Date;
  readonly found: (finding: Finding) => void;
}

/** How much was looked at. */
export interface Verified {
  readonly seals: number;
  readonly events: number;
  /** Events since the last seal: of these only gaps can be found. */
  readonly unsealed: number;
}

const ROWS = 2000;
/** A range may hold the hashes of a whole batch. */
const RANGES = 200;
/** Rows of one mailbox that are not where they were sealed, kept in memory at once to find what became of them. */
const MOST_ASTRAY = 100_000;

/** Checks the whole ledger in one snapshot, reading only and with bounded memory: first the seals, then every row. */
export async function verifyLedger(client: ClientBase, verification: Verification): Promise<Verified> {
  await client.query("begin transaction isolation level repeatable read, read only");
  try {
    const { seals, outOfTime } = await verifySeals(client, verification);
    return { seals, ...(await verifyEvents(client, outOfTime, verification.found)) };
  } finally {
    await client.query("rollback");
  }
}

/** Checks number, chain, signature and content of each seal. `outOfTime` is the last whose events may be gone. */
async function verifySeals(client: ClientBase, { trusted, published, now, found }: Verification): Promise<{ seals: number; outOfTime: number }> {
  const fault = (seal: number, fault: string): void => found({ what: "seal", seal, fault });
  const expected = published === undefined ? null : readSeal(published);
  if (published !== undefined && !isSignedBy(trusted, published))
    fault(expected?.payload.number ?? 0, "the copy kept elsewhere is not signed by a key we trust");
  const ranges = new Head(read<NumberedRange>(client, "ranges", `select ${rangeColumns} from sealed_ranges order by seal, mailbox_id, to_sequence`, RANGES));
  await ranges.advance();
  let orphan = 0;
  const contentOf = async (number: number): Promise<string> => {
    const digest = new ContentDigest();
    for (; ranges.current !== undefined && ranges.current.seal <= number; await ranges.advance()) {
      const { seal } = ranges.current;
      if (seal === number) digest.add(ranges.current);
      else if (seal !== orphan) fault((orphan = seal), "there is no such seal, although hashes name it");
    }
    return digest.end();
  };
  let last = 0;
  let previous: string | null = null;
  let outOfTime = 0;
  for await (const { number, jws } of read<{ number: number; jws: string }>(client, "seals", "select number, jws from seals order by number", ROWS)) {
    const payload = readSeal(jws)?.payload;
    const content = await contentOf(number);
    if (number !== last + 1) fault(number, `it follows ${last}: what was between is removed`);
    else if (payload !== undefined && payload.previous !== previous) fault(number, "the seal before it is not the one it names");
    if (payload?.number !== number || !isSignedBy(trusted, jws)) fault(number, "it is not signed by a key we trust");
    else if (payload.content !== content) fault(number, "its hashes are not those it was signed for");
    else if (new Date(payload.sealedAt) <= keptSince(now)) outOfTime = number;
    if (number === expected?.payload.number && jws !== published) fault(number, "it is not the one kept elsewhere");
    last = number;
    previous = hashSeal(jws);
  }
  await contentOf(Infinity);
  if (expected && expected.payload.number > last) fault(expected.payload.number, "it was kept elsewhere and is removed here, with all after it");
  return { seals: last, outOfTime };
}

/** A row as it was sealed. */
interface SealedRow {
  readonly mailboxId: string;
  readonly sequence: number;
  readonly seal: number;
  readonly hash: string;
}

/** Walks through all events, the hashes they were sealed with and the mailboxes' last sequences at once, mailbox by mailbox. */
async function verifyEvents(client: ClientBase, outOfTime: number, found: (finding: Finding) => void): Promise<Omit<Verified, "seals">> {
  const events = new Head(
    read<EventText & { mailboxId: string; sequence: number }>(
      client,
      "rows",
      `select e.mailbox_id as "mailboxId", e.sequence, ${eventText} from events e order by e.mailbox_id, e.sequence`,
      ROWS,
    ),
  );
  const sealed = new Head(sealedRows(client, found));
  const mailboxes = new Head(
    read<{ mailboxId: string; last: number }>(client, "mailboxes", `select id as "mailboxId", last_sequence as last from mailboxes order by id`, ROWS),
  );
  for (const head of [events, sealed, mailboxes]) await head.advance();
  let count = 0;
  let unsealed = 0;
  for (;;) {
    const [mailboxId] = [events, sealed, mailboxes].flatMap(({ current }) => (current ? [current.mailboxId] : [])).sort();
    if (mailboxId === undefined) return { events: count, unsealed };
    const last = mailboxes.current?.mailboxId === mailboxId ? mailboxes.current.last : 0;
    const astray = new Astray(mailboxId, found);
    let sequence = 0;
    while (sealed.current?.mailboxId === mailboxId) {
      const row = sealed.current;
      while (events.current?.mailboxId === mailboxId && events.current.sequence < row.sequence) {
        astray.add(events.current.sequence, undefined, hashEvent(events.current).toString("hex"));
        count += 1;
        await events.advance();
      }
      const event = events.current?.mailboxId === mailboxId && events.current.sequence === row.sequence ? events.current : null;
      if (event !== null) {
        const hash = hashEvent(event).toString("hex");
        if (hash !== row.hash) astray.add(row.sequence, row.hash, hash);
        count += 1;
        await events.advance();
      } else if (row.seal > outOfTime) astray.add(row.sequence, row.hash, undefined);
      sequence = row.sequence;
      await sealed.advance();
    }
    astray.tell();
    for (; events.current?.mailboxId === mailboxId; await events.advance()) {
      const next = events.current.sequence;
      count += 1;
      if (next < 1 || next > last) found({ what: "inserted", mailboxId, sequence: next });
      else {
        unsealed += 1;
        if (next > sequence + 1) found(removed(mailboxId, sequence + 1, next - 1));
        sequence = next;
      }
    }
    if (last > sequence) found(removed(mailboxId, sequence + 1, last));
    if (mailboxes.current?.mailboxId === mailboxId) await mailboxes.advance();
  }
}

function removed(mailboxId: string, sequence: number, through: number): Finding {
  return { what: "removed", mailboxId, sequence, ...(through > sequence ? { through } : {}) };
}

/** Each row as it was sealed, in order; tells of ranges that overlap or leave a gap. */
async function* sealedRows(client: ClientBase, found: (finding: Finding) => void): AsyncGenerator<SealedRow> {
  let before = { mailboxId: "", toSequence: 0 };
  for await (const { seal, mailboxId, toSequence, hashes } of read<NumberedRange>(
    client,
    "hashes",
    `select ${rangeColumns} from sealed_ranges order by mailbox_id, to_sequence`,
    RANGES,
  )) {
    const text = hashes.toString("hex");
    const sealedBefore = before.mailboxId === mailboxId ? before.toSequence : 0;
    const rows = Math.floor(hashes.length / HASH_BYTES);
    if (toSequence - rows !== sealedBefore) found({ what: "seal", seal, fault: `its hashes of mailbox ${mailboxId} do not follow those before` });
    for (let n = 0; n < rows; n += 1) {
      const sequence = toSequence - rows + 1 + n;
      if (sequence > sealedBefore) yield { mailboxId, sequence, seal, hash: text.slice(2 * HASH_BYTES * n, 2 * HASH_BYTES * (n + 1)) };
    }
    before = { mailboxId, toSequence };
  }
}

const MISSING = "00".repeat(HASH_BYTES);

/** The rows of one mailbox that are not where they were sealed, until it is clear what became of each. */
class Astray {
  readonly #rows = new Map<number, { sealed: string | undefined; present: string | undefined }>();

  constructor(
    private readonly mailboxId: string,
    private readonly found: (finding: Finding) => void,
  ) {}

  add(sequence: number, sealed: string | undefined, present: string | undefined): void {
    this.#rows.set(sequence, { sealed: sealed === MISSING && present !== undefined ? undefined : sealed, present });
    if (this.#rows.size >= MOST_ASTRAY) this.tell();
  }

  /** Tells of all there are: a row that stands elsewhere was moved, one that stands nowhere is gone, one from nowhere is new. */
  tell(): void {
    const { mailboxId, found } = this;
    const homes = new Map([...this.#rows].flatMap(([sequence, { sealed }]) => (sealed === undefined ? [] : [[sealed, sequence]])));
    const present = new Set([...this.#rows.values()].map((row) => row.present));
    for (const [sequence, row] of this.#rows) {
      const from = homes.get(row.present ?? "");
      if (from !== undefined) found({ what: "reordered", mailboxId, sequence, from });
      else if (row.present === undefined) {
        if (!present.has(row.sealed)) found({ what: "removed", mailboxId, sequence });
      } else if (row.sealed === undefined || present.has(row.sealed)) found({ what: "inserted", mailboxId, sequence });
      else found({ what: "changed", mailboxId, sequence });
    }
    this.#rows.clear();
  }
}

type NumberedRange = SealedRange & { readonly seal: number };

const rangeColumns = `seal, mailbox_id as "mailboxId", to_sequence as "toSequence", hashes`;

/** Reads a statement's rows through a cursor, so that however many there are only a few are in memory. */
async function* read<Row extends QueryResultRow>(client: ClientBase, cursor: string, text: string, count: number): AsyncGenerator<Row> {
  await client.query(`declare ${cursor} no scroll cursor for ${text}`);
  for (;;) {
    const { rows } = await client.query<Row>(`fetch ${count} from ${cursor}`);
    yield* rows;
    if (rows.length < count) break;
  }
  await client.query(`close ${cursor}`);
}

/** Where a walk through rows stands. */
class Head<Row> {
  current: Row | undefined;

  constructor(private readonly rows: AsyncGenerator<Row>) {}

  async advance(): Promise<void> {
    const { done, value } = await this.rows.next();
    this.current = done ? undefined : value;
  }
}
