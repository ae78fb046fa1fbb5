import { randomUUID } from "node:crypto";
import { Client } from "pg";

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
  return { url: url.href, drop: () => asAdmin((admin) => admin.query(`drop database if exists ${name} with (force)`)) };
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
