import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, realpath, rm } from "node:fs/promises";
import path from "node:path";
import { Client } from "pg";
import { after, HOUR } from "../src/clock.ts";
import { migrate } from "../src/data-source.ts";
import { startEmbeddedPostgres } from "../src/db/embedded-postgres.ts";
import { findPostmaster } from "../src/db/postmaster.ts";
import { firstIdAt, newId } from "../src/ids.ts";
import { createKeyedHash } from "../src/vault/keyed-hash.ts";
import type { ServerOptions } from "./our-server.ts";
import { seed } from "./seed.ts";
import { accountKey, SECRET_KEY, type Size, tokenOf } from "./world.ts";

const root = path.join(import.meta.dirname, "..");

/** The seeded database, running, as it was right after seeding but for a session of every account. */
export interface Database {
  readonly url: string;
  /** What a server that uses it must know. */
  readonly server: ServerOptions;
  /** CPU time of all processes of PostgreSQL so far, in µs; null where there is no /proc to read it from. */
  cpu(): Promise<number | null>;
  stop(): Promise<void>;
}

/** Starts the database of a world; seeds it if there is none yet, or one of older migrations or a seeding that broke off. */
export async function openDatabase(size: Size, tell: (line: string) => void): Promise<Database> {
  const directory = path.join(import.meta.dirname, "data", String(size.messages));
  const version = await versionOfSeed();
  const seededAt = (await seededBefore(directory, version)) ?? (await seedAnew(directory, size, version, tell));
  const postgres = await startEmbeddedPostgres({ directory, maxConnections: 100 });
  try {
    const clockOffset = seededAt.getTime() - Date.now();
    await forgetEarlierRuns(postgres.url, seededAt);
    await openSessions(postgres.url, size, seededAt);
    return {
      url: postgres.url,
      server: { databaseUrl: postgres.url, clockOffset },
      cpu: () => cpuOf(path.join(directory, "cluster")),
      stop: () => postgres.stop(),
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

/** What the seeded rows depend on: other migrations or another seeding make another version. */
async function versionOfSeed(): Promise<string> {
  const migrations = path.join(root, "migrations");
  const files = [...(await readdir(migrations)).sort().map((name) => path.join(migrations, name)), path.join(import.meta.dirname, "seed.ts")];
  const hash = createHash("sha256");
  for (const file of files) hash.update(await readFile(file));
  return hash.digest("hex");
}

async function seededBefore(directory: string, version: string): Promise<Date | undefined> {
  if (!existsSync(directory)) return undefined;
  const postgres = await startEmbeddedPostgres({ directory });
  const marker = await withClient(postgres.url, (client) => client.query<{ version: string; at: Date }>("select version, at from bench.seeded"))
    .catch(() => null) // there is no marker: the seeding broke off
    .finally(() => postgres.stop());
  const [seeded] = marker?.rows ?? [];
  return seeded?.version === version ? seeded.at : undefined;
}

async function seedAnew(directory: string, size: Size, version: string, tell: (line: string) => void): Promise<Date> {
  tell(
    `Seeding ${size.messages.toLocaleString("en")} messages in ${size.mailboxes.toLocaleString("en")} mailboxes, once, into ${path.relative(root, directory)}`,
  );
  await rm(directory, { recursive: true, force: true });
  const postgres = await startEmbeddedPostgres({ directory, durable: false });
  try {
    const now = new Date();
    await migrate(postgres.url);
    await withClient(postgres.url, async (client) => {
      await client.query("alter system set max_wal_size = '8GB'");
      await client.query("select pg_reload_conf()");
      await seed(postgres.url, size, now, tell);
      await client.query("alter system set shared_buffers = '1GB'"); // From the next start on, as an operator would for so many rows
      await client.query("create schema bench");
      await client.query("create table bench.mailboxes as select id, last_sequence, unread_count from mailboxes");
      await client.query("create table bench.seeded as select $1::text as version, $2::timestamptz as at", [version, now]);
    });
    return now;
  } finally {
    await postgres.stop();
  }
}

/** Takes out what earlier runs sent, so that every run meets the same world. */
async function forgetEarlierRuns(url: string, seededAt: Date): Promise<void> {
  const newest = after(seededAt, 1);
  await withClient(url, async (client) => {
    await client.query("truncate sessions, idempotency_keys, outbox cascade");
    await client.query("delete from messages where id >= $1", [firstIdAt(newest)]);
    await client.query("delete from recipients where message_id >= $1", [firstIdAt(newest)]);
    await client.query("delete from copies where message_id >= $1", [firstIdAt(newest)]);
    await client.query("delete from events where at >= $1", [newest]);
    await client.query(
      `update mailboxes m set last_sequence = b.last_sequence, unread_count = b.unread_count
       from bench.mailboxes b where b.id = m.id and (m.last_sequence, m.unread_count) is distinct from (b.last_sequence, b.unread_count)`,
    );
    await client.query("vacuum (analyze) messages, recipients, copies, events, mailboxes");
    await client.query("checkpoint");
  });
}

/** Gives every account a session. */
export async function openSessions(url: string, { mailboxes }: Size, now: Date): Promise<void> {
  const keyedHash = createKeyedHash(SECRET_KEY);
  const everybody = Array.from({ length: mailboxes + 1 }, (_, n) => n);
  await withClient(url, (client) =>
    client.query(
      // As if begun with a second factor: staff without one would only be let in to set one up.
      `insert into sessions (id, account_id, token_hash, client, created_at, last_used_at, expires_at, confirmed_at, second_factor_at)
       select id, account_id, token_hash, 'bench', $4, $4, $5, $4, $4 from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as s (id, account_id, token_hash)`,
      [
        everybody.map(() => newId(now)),
        everybody.map(accountKey),
        everybody.map((n) => keyedHash.hash("session-token", tokenOf(n))),
        after(now, 1),
        after(now, 12 * HOUR),
      ],
    ),
  );
  await withClient(url, (client) => client.query("vacuum (analyze) sessions"));
}

/** Runs work on a connection of its own. */
export async function withClient<T>(connectionString: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString, options: "-c timezone=UTC" });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const TICK_MICROSECONDS = 10_000; // USER_HZ is 100 on every Linux that Node runs on

/** Sums user and system time of the postmaster, of its children, and of those that it has buried already (proc(5)). */
async function cpuOf(cluster: string): Promise<number | null> {
  if (process.platform !== "linux") return null;
  const postmaster = await findPostmaster(await realpath(cluster));
  if (postmaster === undefined) throw new Error("PostgreSQL has gone away");
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map(async (pid) => ({ pid: Number(pid), stat: await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "") })));
  let ticks = 0;
  for (const { pid, stat } of stats) {
    const [, parent, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [userTime = 0, systemTime = 0, childrenUserTime = 0, childrenSystemTime = 0] = fields.slice(9, 13).map(Number);
    if (pid === postmaster.pid) ticks += userTime + systemTime + childrenUserTime + childrenSystemTime;
    else if (Number(parent) === postmaster.pid) ticks += userTime + systemTime;
  }
  return ticks * TICK_MICROSECONDS;
}
