// A process of its own that sends the mails that are due in a database, until it is killed:
// node --import tsx test/support/mail-sender.ts <database URL> <data folder> <the time it is>, with the settings of mail in its
// environment. Begins when told so on stdin and says "done" when nothing is left.
import "reflect-metadata";
import { MovableClock } from "../../src/clock.ts";
import { readConfig } from "../../src/config.ts";
import { createCtx } from "../../src/context.ts";
import { createDataSource } from "../../src/data-source.ts";
import { poolOf } from "../../src/db/database.ts";
import { Bus } from "../../src/ledger/bus.ts";
import { Relay } from "../../src/ledger/relay.ts";
import { createLog } from "../../src/log.ts";
import { sendMails } from "../../src/mailer/send-mails.ts";
import { createKeyring } from "../../src/vault/create-keyring.ts";
import { DataKeys } from "../../src/vault/data-keys.ts";
import { LocalBlobStore } from "../../src/vault/local-blob-store.ts";
import { createKeyedHash } from "../../src/vault/keyed-hash.ts";

const [url = "", dataDir = "", now = ""] = process.argv.slice(2);
const dataSource = await createDataSource({ url, poolSize: 4, patient: true }).initialize();
const log = createLog("silent");
const clock = new MovableClock(new Date(now));
const ctx = createCtx({
  config: readConfig(),
  dataSource,
  bus: new Bus(poolOf(dataSource), url, log),
  relay: new Relay(dataSource, log),
  blobs: new LocalBlobStore(dataDir),
  keyedHash: createKeyedHash(Buffer.alloc(32, 7)),
  dataKeys: new DataKeys(url, await createKeyring({ keyring: null, dataDir }, clock), clock),
  clock,
  log,
});
process.stdin.once("data", () => void sendMails(ctx, new AbortController().signal, []).then(() => process.stdout.write("done\n")));
process.stdout.write("ready\n");
