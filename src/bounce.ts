import "reflect-metadata";
import { systemClock } from "./clock.ts";
import { readConfig } from "./config.ts";
import { createCtx } from "./context.ts";
import { createDataSource } from "./data-source.ts";
import { asApplication } from "./db/app-role.ts";
import { poolOf } from "./db/database.ts";
import { Bus } from "./ledger/bus.ts";
import { Relay } from "./ledger/relay.ts";
import { createLog } from "./log.ts";
import { mailOutcomes } from "./mail-outcomes.ts";
import { MOST_BOUNCE_BYTES, recordBounce } from "./mailer/record-bounce.ts";
import { createBlobStore } from "./vault/create-blob-store.ts";
import { createKeyring } from "./vault/create-keyring.ts";
import { DataKeys } from "./vault/data-keys.ts";
import { createKeyedHash } from "./vault/keyed-hash.ts";

/** What a mail server's pipe tries again later (sysexits.h). */
const EX_TEMPFAIL = 75;

// Reads one mail that came to a bounce address from standard input, as a mail server pipes it: see docs/operations.md.
try {
  await run(await standardInput());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = EX_TEMPFAIL;
}

async function run(rawMessage: Buffer): Promise<void> {
  const config = readConfig();
  const { databaseUrl, secretKey } = config;
  if (databaseUrl === null || secretKey === null) throw new Error("Set DATABASE_URL and the other settings of the server.");
  const url = asApplication(databaseUrl);
  const log = createLog(config.logLevel);
  const dataSource = await createDataSource({ url, poolSize: 1, patient: true }).initialize();
  const dataKeys = new DataKeys(url, await createKeyring(config, systemClock), systemClock);
  const bus = new Bus(poolOf(dataSource), url, log);
  const relay = new Relay(dataSource, log);
  try {
    const blobs = await createBlobStore(config, log);
    const ctx = createCtx({ config, dataSource, bus, relay, blobs, dataKeys, keyedHash: createKeyedHash(secretKey), clock: systemClock, log });
    const isFailure = await recordBounce(ctx, rawMessage, mailOutcomes);
    process.stdout.write(isFailure ? "A mail of ours failed.\n" : "Nothing that says that a mail of ours failed.\n");
  } finally {
    await relay.close(); // A server's relay moves what follows
    await bus.close();
    await dataKeys.close();
    await dataSource.destroy();
  }
}

async function standardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    if (bytes < MOST_BOUNCE_BYTES) chunks.push(buffer);
    bytes += buffer.length;
  }
  return Buffer.concat(chunks).subarray(0, MOST_BOUNCE_BYTES);
}
