import { readFileSync } from "node:fs";
import path from "node:path";
import { Logger, runMigrations as runWorkerMigrations } from "graphile-worker";
import { DataSource, type MigrationInterface, type QueryRunner } from "typeorm";
import { AccessToken } from "./accounts/access-token.ts";
import { Account } from "./accounts/account.ts";
import { Device } from "./accounts/device.ts";
import { Session } from "./accounts/session.ts";
import { Attachment } from "./attachments/attachment.ts";
import { isOwner, letApplicationIn } from "./db/app-role.ts";
import { columnTypes, poolOf, withSettings } from "./db/database.ts";
import { Passkey } from "./factors/passkey.ts";
import { Event } from "./ledger/event.ts";
import { MailboxHolder } from "./mailboxes/mailbox-holder.ts";
import { Mailbox } from "./mailboxes/mailbox.ts";
import { Copy } from "./messages/copy.ts";
import { Draft } from "./messages/draft.ts";
import { Message } from "./messages/message.ts";
import { Recipient } from "./messages/recipient.ts";
import { Hold } from "./retention/hold.ts";
import { Identity } from "./single-sign-on/identity.ts";

/** Every table that has an entity. */
export const entities = [
  Account,
  Session,
  AccessToken,
  Device,
  Mailbox,
  MailboxHolder,
  Identity,
  Message,
  Recipient,
  Copy,
  Draft,
  Attachment,
  Hold,
  Event,
  Passkey,
];

/** The SQL files of `migrations/`, oldest first; each runs once, in a transaction of its own, and is never taken back. */
const migrations = [
  migration("0001-foundation", 1_763_856_000_000),
  migration("0002-sealing", 1_763_942_400_000),
  migration("0003-holds-and-tombstones", 1_764_028_800_000),
  migration("0004-ledger-seals", 1_764_115_200_000),
  migration("0005-scanning", 1_764_201_600_000),
  migration("0006-search", 1_764_288_000_000),
  migration("0007-exports", 1_764_374_400_000),
  migration("0008-sandbox", 1_764_460_800_000),
  migration("0009-mail", 1_764_547_200_000),
  migration("0010-notices", 1_764_633_600_000),
  migration("0011-notifications", 1_764_720_000_000),
  migration("0012-sending", 1_764_806_400_000),
  migration("0013-enrolment", 1_764_892_800_000),
  migration("0014-sign-in", 1_764_979_200_000),
  migration("0015-factors", 1_765_065_600_000),
  migration("0016-single-sign-on", 1_765_152_000_000),
  migration("0017-tokens-and-people", 1_765_238_400_000),
  migration("0018-short-passwords", 1_765_324_800_000),
];

/** A request gives up after so long without an answer from PostgreSQL; together with the connection's own it stays under five seconds. */
const QUERY_TIMEOUT_MS = 4000;
const CONNECTION_TIMEOUT_MS = 3000;

/**
 * Requests run a fixed set of prepared statements, each written for one index range: plan them once, for whatever values,
 * never gather a whole folder in a bitmap to sort it, and never read a whole table, which looks cheap while one mailbox has
 * nearly all of it. Planning anew cost more than running.
 */
const HOT_PLANS = "-c plan_cache_mode=force_generic_plan -c enable_bitmapscan=off -c enable_seqscan=off";

/** How a part uses the database: requests must answer soon, jobs and migrations may take their time. */
export interface DataSourceOptions {
  readonly url: string;
  readonly poolSize: number;
  readonly patient?: boolean;
}

/** The database, described but not connected yet. */
export function createDataSource({ url, poolSize, patient = false }: DataSourceOptions): DataSource {
  return new DataSource({
    type: "postgres",
    url: withSettings(url, patient ? "-c timezone=UTC" : `-c timezone=UTC ${HOT_PLANS}`),
    entities,
    migrations,
    migrationsTableName: "migrations",
    migrationsTransactionMode: "each",
    poolSize,
    installExtensions: false,
    extra: {
      types: columnTypes,
      application_name: "secure-mailbox",
      keepAlive: true,
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
      ...(patient ? {} : { query_timeout: QUERY_TIMEOUT_MS, statement_timeout: QUERY_TIMEOUT_MS }),
    },
  });
}

const MIGRATION_LOCK = 7_316_202_601;

/**
 * Brings the database up to date: our tables, then the job queue's, then what the application's role may do with them. Two
 * nodes that start together take turns. A login that does not own the tables only makes sure that nothing is left to do.
 */
export async function migrate(url: string): Promise<void> {
  const source = await createDataSource({ url, poolSize: 3, patient: true }).initialize();
  const client = await poolOf(source).connect();
  try {
    if (!(await isOwner(client))) {
      if (await source.showMigrations()) throw new Error("The database is not up to date, and this login may not mend that: run the migration as its owner.");
      return;
    }
    await client.query("select pg_advisory_lock($1)", [MIGRATION_LOCK]);
    await source.runMigrations();
    await runWorkerMigrations({ connectionString: url, logger: new Logger(() => () => undefined) });
    await letApplicationIn(client);
  } finally {
    await client.query("select pg_advisory_unlock($1)", [MIGRATION_LOCK]).catch(() => undefined);
    client.release();
    await source.destroy();
  }
}

function migration(name: string, timestamp: number): new () => MigrationInterface {
  const sql = readFileSync(path.join(import.meta.dirname, "..", "migrations", `${name}.sql`), "utf8");
  return class implements MigrationInterface {
    readonly name = `${name}-${timestamp}`;

    async up(runner: QueryRunner): Promise<void> {
      await runner.query(sql);
    }

    async down(): Promise<void> {
      throw new Error("Migrations only go forward");
    }
  };
}
