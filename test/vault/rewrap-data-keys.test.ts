import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DataSource } from "typeorm";
import { systemClock } from "../../src/clock.ts";
import { createDataSource } from "../../src/data-source.ts";
import { Db, poolOf } from "../../src/db/database.ts";
import { FileKeyring } from "../../src/vault/file-keyring.ts";
import { KeyringUnavailable } from "../../src/vault/keyring.ts";
import { addMasterKey } from "../../src/vault/master-key-file.ts";
import { masterKeysInUse, rewrapDataKeys } from "../../src/vault/rewrap-data-keys.ts";
import { TransitKeyring } from "../../src/vault/transit-keyring.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { startTransit } from "../support/transit.ts";

const COUNT = 250;
const DESTROYED = "day/2026-01-01";
let database: TestDatabase;
let source: DataSource;
let db: Db;
let folder: string;
let file: string;
let keyring: FileKeyring;
let dataKeys: Map<string, Buffer>;

beforeEach(async () => {
  database = await createDatabase();
  source = await createDataSource({ url: database.url, poolSize: 4, patient: true }).initialize();
  db = new Db(source.manager, poolOf(source));
  folder = await mkdtemp(path.join(tmpdir(), "secure-mailbox-rewrap-"));
  file = path.join(folder, "master-keys");
  await writeFile(file, `first ${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
  keyring = new FileKeyring(file);
  dataKeys = new Map(Array.from({ length: COUNT }, (_, n) => [`hold/${n}`, randomBytes(32)]));
  for (const [id, dataKey] of dataKeys) await keep(id, (await keyring.wrap(dataKey, id)).wrapped);
  await keep(DESTROYED, null);
});

afterEach(async () => {
  await source.destroy();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

test("every living data key comes under the present master key, is still the same, and needs the old one no more", async () => {
  const added = await addMasterKey(file, systemClock);
  expect(await masterKeysInUse(db)).toEqual([{ masterKeyId: "first", dataKeys: COUNT }]);
  expect(await rewrapDataKeys(db, keyring)).toEqual({ count: COUNT, failed: [] });
  expect(await masterKeysInUse(db)).toEqual([{ masterKeyId: added, dataKeys: COUNT }]);
  await writeFile(file, (await readFile(file, "utf8")).split("\n", 1).join());
  await expectAllToOpen(new FileKeyring(file));
  expect(await rewrapDataKeys(db, keyring)).toEqual({ count: 0, failed: [] });
});

test("two runs at once are harmless: each data key is wrapped again once", async () => {
  await addMasterKey(file, systemClock);
  const [one, other] = await Promise.all([rewrapDataKeys(db, keyring), rewrapDataKeys(db, new FileKeyring(file))]);
  expect(one.count + other.count).toBe(COUNT);
  expect([one.failed, other.failed]).toEqual([[], []]);
  await expectAllToOpen(keyring);
});

test("a data key that is destroyed meanwhile stays destroyed", async () => {
  await addMasterKey(file, systemClock);
  const slow = {
    unwrap: keyring.unwrap.bind(keyring),
    presentMasterKey: keyring.presentMasterKey.bind(keyring),
    async wrap(dataKey: Buffer, id: string) {
      if (id === "hold/7") await poolOf(source).query("update keys.data_keys set wrapped = null, destroyed_at = $2 where id = $1", [id, new Date()]);
      return keyring.wrap(dataKey, id);
    },
  };
  expect(await rewrapDataKeys(db, slow)).toEqual({ count: COUNT - 1, failed: [] });
  expect((await poolOf(source).query("select id from keys.data_keys where wrapped is null order by id")).rows).toEqual([{ id: DESTROYED }, { id: "hold/7" }]);
});

test("a data key whose master key is gone is named, and holds the others up in nothing", async () => {
  const stray = path.join(folder, "stray");
  await writeFile(stray, `lost ${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
  await keep("hold/lost", (await new FileKeyring(stray).wrap(randomBytes(32), "hold/lost")).wrapped, "lost");
  await addMasterKey(file, systemClock);
  expect(await rewrapDataKeys(db, keyring)).toEqual({
    count: COUNT,
    failed: [{ id: "hold/lost", reason: "The master key lost is missing from the keyring." }],
  });
});

test("a run that is broken off because the keyring went away is taken up where it was", async () => {
  const vault = await startTransit();
  vault.tokens.add("hvs.a");
  const transit = new TransitKeyring({ mount: "transit", key: "mailbox", address: vault.url, token: "hvs.a", tokenFile: "", namespace: null });
  try {
    for (const [id, dataKey] of dataKeys) {
      const { wrapped, masterKeyId } = await transit.wrap(dataKey, id);
      await poolOf(source).query("update keys.data_keys set wrapped = $2, master_key_id = $3 where id = $1", [id, wrapped, masterKeyId]);
    }
    vault.rotate();
    vault.asked.length = 0;
    vault.meanwhile = async () => {
      if (vault.asked.length > 100) vault.trouble = 503;
    };
    await expect(rewrapDataKeys(db, transit)).rejects.toThrow(KeyringUnavailable);
    const [old, fresh] = await masterKeysInUse(db);
    expect([old?.masterKeyId, fresh?.masterKeyId]).toEqual(["transit/mailbox:v1", "transit/mailbox:v2"]);
    vault.meanwhile = async () => undefined;
    vault.trouble = null;
    expect(await rewrapDataKeys(db, transit)).toEqual({ count: old?.dataKeys, failed: [] });
    expect(await masterKeysInUse(db)).toEqual([{ masterKeyId: "transit/mailbox:v2", dataKeys: COUNT }]);
    vault.retireBefore(2);
    for (const [id, wrapped] of await wrappedKeys()) expect(await transit.unwrap(wrapped, id)).toEqual(dataKeys.get(id));
  } finally {
    await vault.close();
  }
});

async function expectAllToOpen(keyring: FileKeyring): Promise<void> {
  const wrapped = await wrappedKeys();
  expect(wrapped).toHaveLength(COUNT);
  for (const [id, bytes] of wrapped) expect(await keyring.unwrap(bytes, id)).toEqual(dataKeys.get(id));
}

async function wrappedKeys(): Promise<[id: string, wrapped: Buffer][]> {
  const { rows } = await poolOf(source).query<{ id: string; wrapped: Buffer }>("select id, wrapped from keys.data_keys where wrapped is not null");
  return rows.map(({ id, wrapped }) => [id, wrapped]);
}

async function keep(id: string, wrapped: Buffer | null, masterKeyId = "first"): Promise<void> {
  const destroyedAt = wrapped === null ? new Date() : null;
  const insert = "insert into keys.data_keys (id, wrapped, master_key_id, created_at, destroyed_at) values ($1, $2, $3, $4, $5)";
  await poolOf(source).query(insert, [id, wrapped, masterKeyId, new Date(), destroyedAt]);
}
