import { Client } from "pg";
import { columnTypes } from "../../src/db/database.ts";
import { readSigningKeys } from "../../src/ledger/signing-keys.ts";
import { type Finding, type Verification, type Verified, verifyLedger } from "../../src/ledger/verify-ledger.ts";
import type { TestApp } from "./app.ts";

/** What a verification of a server's ledger finds, and how much it looked at. */
export async function verified(app: TestApp, options: Partial<Verification> = {}): Promise<Verified & { findings: Finding[] }> {
  const { trusted } = await readSigningKeys(app.services.config);
  const findings: Finding[] = [];
  const client = new Client({ connectionString: app.databaseUrl, types: columnTypes });
  await client.connect();
  try {
    const summary = await verifyLedger(client, { trusted, now: app.clock.now(), found: (finding) => findings.push(finding), ...options });
    return { ...summary, findings };
  } finally {
    await client.end();
  }
}
