import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import { Pool, type QueryResultRow } from "pg";
import { after, before, type Clock, DAY, dayOf, MINUTE } from "../clock.ts";
import { columnTypes, type Db, type Statement, statement, withSettings } from "../db/database.ts";
import { RETENTION_DAYS } from "../limits.ts";
import type { Keyring } from "./keyring.ts";
import { DataKey, type DataKeyId, KeyDestroyed, Opener, referenceIn, referenceTo } from "./seal.ts";

const MOST_UNWRAPPED = 500;
const UNWRAPPED_MS = 10 * MINUTE;
const POOL_SIZE = 2;
const TIMEOUT_MS = 4000;
const KEY_BYTES = 32;

/**
 * The keys that seal content: one for each UTC day of sending, one for each hold, one for people's names. They are kept
 * wrapped by the keyring in a schema of their own, `keys`, which is backed up apart from the data; unwrapped they stay
 * in a bounded memory for ten minutes. A key is made and committed before anything is sealed with it, over connections
 * of its own, so that it never waits for the transaction that needs it.
 */
export class DataKeys {
  readonly #pool: Pool;
  readonly #unwrapped = new LRUCache<string, DataKey>({ max: MOST_UNWRAPPED, ttl: UNWRAPPED_MS });
  readonly #making = new Map<DataKeyId, Promise<DataKey>>();

  constructor(
    databaseUrl: string,
    readonly keyring: Keyring,
    private readonly clock: Clock,
  ) {
    this.#pool = new Pool({
      connectionString: withSettings(databaseUrl, "-c timezone=UTC"),
      max: POOL_SIZE,
      types: columnTypes,
      application_name: "secure-mailbox keys",
      keepAlive: true,
      connectionTimeoutMillis: TIMEOUT_MS,
      query_timeout: TIMEOUT_MS,
      statement_timeout: TIMEOUT_MS,
    });
    this.#pool.on("error", () => undefined); // An idle connection that breaks is replaced when it is needed
  }

  /** The key of what is sent on the UTC day of this instant; made at first use. */
  async ofDay(instant: Date): Promise<DataKey> {
    return this.#key(`day/${dayOf(instant)}`);
  }

  /** The key of what a hold keeps; made at first use. */
  async ofHold(holdId: string): Promise<DataKey> {
    return this.#key(`hold/${holdId}`);
  }

  /** The lasting key of people's names; made at first use. */
  async directory(): Promise<DataKey> {
    return this.#key("directory");
  }

  /** Brings together the keys of these sealed values, so that they can be opened without waiting. */
  async forSealed(sealed: Iterable<Buffer | null>): Promise<Opener> {
    const keys = new Map<string, DataKey>();
    const missing = new Set<string>();
    for (const value of sealed) {
      if (value === null) continue;
      const reference = referenceIn(value);
      if (keys.has(reference) || missing.has(reference)) continue;
      const key = this.#live(reference);
      if (key) keys.set(reference, key);
      else missing.add(reference);
    }
    if (missing.size > 0) for (const key of await this.#load([...missing].map(idOf))) keys.set(key.reference.toString("latin1"), key);
    return new Opener(keys);
  }

  /** Destroys, in the caller's transaction, the keys of all days whose messages have expired. Returns their ids. */
  async destroyPastDays(db: Db): Promise<DataKeyId[]> {
    const now = this.clock.now();
    return (await db.run(destroyDays, [lastPastDay(now), now])).map(({ id }) => id);
  }

  /** Destroys one key, and so whatever it sealed, in the caller's transaction. Returns whether it was still there. */
  async destroy(db: Db, id: DataKeyId): Promise<boolean> {
    this.#unwrapped.delete(referenceTo(id).toString("latin1"));
    return (await db.run(destroyKey, [id, this.clock.now()])).length > 0;
  }

  /** Closes its connections. */
  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #key(id: DataKeyId): Promise<DataKey> {
    const key = this.#live(referenceTo(id).toString("latin1"));
    if (key) return key;
    let making = this.#making.get(id);
    if (making === undefined) {
      making = this.#make(id).finally(() => this.#making.delete(id));
      this.#making.set(id, making);
    }
    return making;
  }

  /** The key as it was unwrapped before; not that of a day that is past, though another node destroyed it. */
  #live(reference: string): DataKey | undefined {
    const key = this.#unwrapped.get(reference);
    return key && !isPast(key.id, this.clock.now()) ? key : undefined;
  }

  async #make(id: DataKeyId): Promise<DataKey> {
    if ((await this.#run(knownKeys, [[id]])).length === 0) {
      const { wrapped, masterKeyId } = await this.keyring.wrap(randomBytes(KEY_BYTES), id);
      await this.#run(addKey, [id, wrapped, masterKeyId, this.clock.now()]); // Another node may have been first: its key it is
    }
    const [key] = await this.#load([id]);
    if (key === undefined) throw new KeyDestroyed();
    return key;
  }

  async #load(ids: DataKeyId[]): Promise<DataKey[]> {
    const rows = await this.#run(liveKeys, [ids]);
    const keys = await Promise.all(rows.map(async ({ id, wrapped }) => new DataKey(id, await this.keyring.unwrap(wrapped, id))));
    for (const key of keys) this.#unwrapped.set(key.reference.toString("latin1"), key);
    return keys.filter(({ id }) => !isPast(id, this.clock.now()));
  }

  async #run<Row extends QueryResultRow>({ name, text }: Statement<Row>, values: unknown[]): Promise<Row[]> {
    return (await this.#pool.query<Row>({ name, text, values })).rows;
  }
}

/** Everything sent on this day or before has expired: its last second is `RETENTION_DAYS` ago. */
function lastPastDay(now: Date): string {
  return `day/${dayOf(before(now, (RETENTION_DAYS + 1) * DAY))}`;
}

function isPast(id: DataKeyId, now: Date): boolean {
  return id.startsWith("day/") && id <= lastPastDay(now);
}

/** The id that a reference stands for. */
function idOf(reference: string): DataKeyId {
  const bytes = Buffer.from(reference, "latin1");
  if (bytes.length === 2) return "directory";
  if (bytes.length === 6) return `day/${dayOf(after(new Date(0), bytes.readUInt32BE(2) * DAY))}`;
  const hex = bytes.toString("hex", 2);
  return `hold/${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const knownKeys = statement<{ id: DataKeyId }>("data-keys-known", "select id from keys.data_keys where id = any ($1::text[])");

const liveKeys = statement<{ id: DataKeyId; wrapped: Buffer }>(
  "data-keys-live",
  "select id, wrapped from keys.data_keys where id = any ($1::text[]) and wrapped is not null",
);

const addKey = statement(
  "data-key-add",
  "insert into keys.data_keys (id, wrapped, master_key_id, created_at) values ($1, $2, $3, $4) on conflict (id) do nothing",
);

const destroyKey = statement<{ id: DataKeyId }>(
  "data-key-destroy",
  "update keys.data_keys set wrapped = null, destroyed_at = $2 where id = $1 and destroyed_at is null returning id",
);

const destroyDays = statement<{ id: DataKeyId }>(
  "data-keys-destroy-days",
  "update keys.data_keys set wrapped = null, destroyed_at = $2 where id like 'day/%' and id <= $1 and destroyed_at is null returning id",
);
