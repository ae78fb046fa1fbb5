import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Client } from "pg";
import { startDemoDatabase } from "./app.ts";
import { systemClock } from "./clock.ts";
import { readConfig } from "./config.ts";
import { columnTypes } from "./db/database.ts";
import { readSigningKeys } from "./ledger/signing-keys.ts";
import { type Finding, verifyLedger } from "./ledger/verify-ledger.ts";

// Verifies the ledger and ends with 1 if anything is not as it was sealed. `--seal <file>` holds it against a seal that
// was kept elsewhere. It only reads: any login that may select will do, also on a replica.
const { values } = parseArgs({ options: { seal: { type: "string" } } });
const config = readConfig();
const closing: (() => Promise<unknown>)[] = [];
try {
  const { trusted } = await readSigningKeys(config);
  const published = values.seal === undefined ? {} : { published: (await readFile(values.seal, "utf8")).trim() };
  const client = new Client({ connectionString: config.databaseUrl ?? (await startDemoDatabase(config, closing)), types: columnTypes });
  await client.connect();
  closing.push(() => client.end());
  let findings = 0;
  const found = (finding: Finding): void => {
    findings += 1;
    process.stdout.write(`${sentenceOf(finding)}\n`);
  };
  const { events, seals, unsealed } = await verifyLedger(client, { trusted, ...published, now: systemClock.now(), found });
  process.stdout.write(`${events} events, ${seals} seals; ${unsealed} events are not sealed yet.\n`);
  process.stdout.write(findings === 0 ? "The ledger is whole.\n" : `The ledger is NOT whole: ${findings} findings.\n`);
  process.exitCode = findings === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
} finally {
  for (const close of closing.reverse()) await close();
}

function sentenceOf(finding: Finding): string {
  if (finding.what === "seal") return `seal ${finding.seal}: ${finding.fault}`;
  const place = `mailbox ${finding.mailboxId}, sequence ${finding.sequence}`;
  if (finding.what === "reordered") return `${place}: reordered, it was sealed at ${finding.from}`;
  if (finding.what === "removed" && finding.through !== undefined) return `${place} to ${finding.through}: removed`;
  return `${place}: ${finding.what}`;
}
