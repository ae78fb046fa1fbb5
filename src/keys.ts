import { systemClock } from "./clock.ts";
import { type Config, readConfig } from "./config.ts";
import { createDataSource } from "./data-source.ts";
import { Db, poolOf } from "./db/database.ts";
import { createKeyring } from "./vault/create-keyring.ts";
import { addMasterKey, removeMasterKey } from "./vault/master-key-file.ts";
import { masterKeysInUse, rewrapDataKeys } from "./vault/rewrap-data-keys.ts";

const USAGE = `npm run keys -- status       which master key wraps how many data keys
npm run keys -- rotate       puts a new master key first in the key file
npm run keys -- rewrap       wraps every data key under the present master key, while servers run
npm run keys -- drop <id>    takes a master key that nothing needs out of the key file
`;

// Shows, renews and retires master keys, for operators: see docs/operations.md.
try {
  await run(process.argv[2], process.argv[3], readConfig());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function run(command: string | undefined, id: string | undefined, config: Config): Promise<void> {
  if (command === "status") await withDatabase(config, (db) => status(config, db));
  else if (command === "rotate") say(`The master key ${await addMasterKey(keyFileOf(config), systemClock)} wraps from now on. Next: npm run keys -- rewrap`);
  else if (command === "rewrap") await withDatabase(config, (db) => rewrap(config, db));
  else if (command === "drop" && id !== undefined) await withDatabase(config, (db) => drop(config, db, id));
  else throw new Error(USAGE.trimEnd());
}

async function status(config: Config, db: Db): Promise<void> {
  const keyring = await createKeyring(config, systemClock);
  say(`The present master key is ${await keyring.presentMasterKey()}.`);
  for (const { masterKeyId, dataKeys } of await masterKeysInUse(db)) say(`${masterKeyId} wraps ${dataKeys} data key(s).`);
}

async function rewrap(config: Config, db: Db): Promise<void> {
  const { count, failed } = await rewrapDataKeys(db, await createKeyring(config, systemClock));
  say(`Data keys wrapped again: ${count}.`);
  if (failed.length > 0) throw new Error(failed.map(({ id, reason }) => `The data key ${id} stays as it is: ${reason}`).join("\n"));
}

async function drop(config: Config, db: Db, id: string): Promise<void> {
  const file = keyFileOf(config);
  const use = (await masterKeysInUse(db)).find(({ masterKeyId }) => masterKeyId === id);
  if (use !== undefined) throw new Error(`The master key ${id} still wraps ${use.dataKeys} data key(s). First: npm run keys -- rewrap`);
  await removeMasterKey(file, id);
  say(
    `The master key ${id} is out of the key file. Whole backups from before it was wrapped again cannot be read without it: see docs/operations.md, Backups.`,
  );
}

function keyFileOf({ keyring }: Config): string {
  if (keyring?.kind !== "file") throw new Error("KEYRING names no key file. A KMS or Vault rotates by its own means, then: npm run keys -- rewrap");
  return keyring.path;
}

async function withDatabase(config: Config, work: (db: Db) => Promise<void>): Promise<void> {
  if (config.databaseUrl === null) throw new Error("Set DATABASE_URL to the database whose keys these are.");
  const source = await createDataSource({ url: config.databaseUrl, poolSize: 1, patient: true }).initialize();
  try {
    await work(new Db(source.manager, poolOf(source)));
  } finally {
    await source.destroy();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
