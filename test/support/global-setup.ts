import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client } from "pg";
import { migrate } from "../../src/data-source.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/db/embedded-postgres.ts";

declare global {
  var testPostgres: { postgres: EmbeddedPostgres; directory: string } | undefined;
}

/** Starts one PostgreSQL for all tests and migrates the template that each file clones. TEST_DATABASE_URL takes another server. */
export default async function globalSetup(): Promise<void> {
  let url = process.env.TEST_DATABASE_URL;
  if (url === undefined) {
    const directory = await mkdtemp(path.join(tmpdir(), "secure-mailbox-test-"));
    const postgres = await startEmbeddedPostgres({ directory, durable: false, maxConnections: 300 });
    globalThis.testPostgres = { postgres, directory };
    url = postgres.url;
  }
  process.env.TEST_SERVER_URL = url;
  const admin = new Client({ connectionString: url });
  await admin.connect();
  await admin.query("drop database if exists template_mailbox with (force)");
  await admin.query("create database template_mailbox");
  await admin.end();
  const template = new URL(url);
  template.pathname = "/template_mailbox";
  await migrate(template.href);
}
