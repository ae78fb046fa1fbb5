import "reflect-metadata";
import { systemClock } from "./clock.ts";
import { readConfig } from "./config.ts";
import { createDataSource } from "./data-source.ts";
import { pruneLedger } from "./ledger/prune-ledger.ts";

// Removes events older than six years, and records that it did. Run it with the login that owns the tables: the server's
// own role can only append.
const { databaseUrl } = readConfig();
if (databaseUrl === null) {
  process.stderr.write("Set DATABASE_URL to the database to prune, with the login that owns its tables.\n");
  process.exit(1);
}
const owner = await createDataSource({ url: databaseUrl, poolSize: 1, patient: true }).initialize();
const removed = await pruneLedger(owner, systemClock.now());
await owner.destroy();
process.stdout.write(`Removed ${removed} events older than six years.\n`);
