import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { eventually } from "./eventually.ts";

/** A database of one's own, cloned from the migrated template in well under a second. */
export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** Clones the migrated template, or another database that nobody is connected to. Clones at once would see each other connected, so they take turns. */
export async function createDatabase(of = "template_mailbox"): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await asAdmin(async (admin) => {
    await admin.query("select pg_advisory_lock(1)");
    await admin.query(`create database ${name} template ${of}`);
  });
  const url = new URL(serverUrl());
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => asAdmin((admin) => dropDatabase(admin, name)) };
}

/** Connections that are just closing get time to: cut off, they would fail whatever test runs then. */
async function dropDatabase(admin: Client, name: string): Promise<void> {
  const inUse = "select from pg_stat_activity where datname = $1";
  await eventually(async () => {
    if ((await admin.query(inUse, [name])).rowCount) throw new Error("The database is in use");
  }).catch(() => undefined);
  await admin.query(`drop database if exists ${name} with (force)`);
}

async function asAdmin(work: (admin: Client) => Promise<unknown>): Promise<void> {
  const admin = new Client({ connectionString: serverUrl() });
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

function serverUrl(): string {
  const url = process.env.TEST_SERVER_URL;
  if (url === undefined) throw new Error("The tests' PostgreSQL is not running");
  return url;
}
