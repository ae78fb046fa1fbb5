import { readConfig } from "./config.ts";
import { migrate } from "./data-source.ts";

// Brings the database of DATABASE_URL up to date, for operators who do so before they roll out. The server does it too.
const { databaseUrl } = readConfig();
if (databaseUrl === null) {
  process.stderr.write("Set DATABASE_URL to the database to bring up to date; the demo does so by itself.\n");
  process.exit(1);
}
await migrate(databaseUrl);
process.stdout.write("The database is up to date.\n");
