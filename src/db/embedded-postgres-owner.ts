import { setTimeout as sleep } from "node:timers/promises";
import { Client, DatabaseError } from "pg";
import { Fault, type Home } from "./embedded-postgres-home.ts";
import { endPostmaster, findPostmaster, forgetPid } from "./postmaster.ts";

/** The database that an embedded PostgreSQL has from its first start. */
export const DATABASE_NAME = "mailbox";

/** Whose session holds this advisory lock owns the cluster; "mail" in ASCII. */
const LOCK_KEY = 0x6d61696c;

/** How long to leave alone what goes by itself, in ms: a keeper at work, the session of a killed server. */
const GRACE = 500;

/** How long to wait for a PostgreSQL that neither answers nor ends, in ms. */
const PATIENCE = 10_000;

/** Waits for a PostgreSQL that is being ended, ends one that nobody owns any more; a Fault if a living server owns it. */
export async function takeOver(home: Home): Promise<void> {
  const began = performance.now();
  for (let running; (running = await findPostmaster(home.cluster)); await sleep(50)) {
    const waited = performance.now() - began;
    if (waited < GRACE) continue;
    const orphaned = running.port !== undefined && (await isOrphaned(home, running.port));
    if (orphaned || waited > PATIENCE) await endPostmaster(home.cluster, running);
  }
  await forgetPid(home.cluster);
}

/** Whether surely nobody owns a PostgreSQL: not while it starts or ends, or is so young that its owner is about to lock it. */
async function isOrphaned(home: Home, port: number): Promise<boolean> {
  try {
    const session = await connect(home, port);
    const found = await session
      .query<{ owner: string | null; grown: boolean }>(
        `select
           (select max(application_name) from pg_locks join pg_stat_activity using (pid)
            where locktype = 'advisory' and granted and classid = 0 and objid::bigint = $1) as owner,
           pg_postmaster_start_time() < clock_timestamp() - interval '2 seconds' as grown`,
        [LOCK_KEY],
      )
      .finally(() => session.end());
    const owner = found.rows[0]?.owner;
    if (owner) throw inUse(home, owner);
    return found.rows[0]?.grown ?? false;
  } catch (error) {
    if (error instanceof Fault) throw error;
    return false;
  }
}

/** Makes the database and owns the cluster for as long as we live; resolves to the release. */
export async function own(home: Home, port: number): Promise<() => Promise<void>> {
  let session = await lock(home, port);
  let released = false;
  await makeDatabase(session);
  session.once("end", () => void renew());
  return async () => {
    released = true;
    await session.end();
  };

  /** Locks anew after PostgreSQL has dropped the session, as it drops all when one crashes. */
  async function renew(): Promise<void> {
    while (!released) {
      await sleep(GRACE / 5, undefined, { ref: false });
      const next = await lock(home, port).catch(() => undefined);
      if (!next) continue;
      if (released) return await next.end();
      session = next.once("end", () => void renew());
      return;
    }
  }
}

async function lock(home: Home, port: number): Promise<Client> {
  const session = await connect(home, port);
  await session.query("select pg_advisory_lock($1)", [LOCK_KEY]);
  return session;
}

async function makeDatabase(session: Client): Promise<void> {
  const made = await session.query("select from pg_database where datname = $1", [DATABASE_NAME]);
  if (made.rowCount === 0) await session.query(`create database ${DATABASE_NAME}`);
}

async function connect(home: Home, port: number): Promise<Client> {
  const session = new Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password: home.password,
    database: "postgres", // advisory locks are a database's own
    application_name: `process ${process.pid}`,
    connectionTimeoutMillis: 2_000,
    ssl: false,
  });
  session.on("error", () => undefined); // the query, or the session's end, tells
  try {
    await session.connect();
  } catch (error) {
    const code = error instanceof DatabaseError ? error.code : undefined;
    if (code === TOO_MANY_CONNECTIONS) throw inUse(home, "its connections are exhausted");
    if (code === WRONG_PASSWORD) throw new Fault(`DATA_DIR ${home.directory} holds another password than its database`);
    throw error;
  }
  return session;
}

const TOO_MANY_CONNECTIONS = "53300";
const WRONG_PASSWORD = "28P01";

function inUse({ directory }: Home, owner: string): Fault {
  return new Fault(`DATA_DIR ${directory} is in use by another running server (${owner})`);
}
