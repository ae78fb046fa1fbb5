import { type Db, statement } from "../db/database.ts";
import { type Keyring, KeyringRefused, MasterKeyMissing } from "./keyring.ts";

const BATCH = 100;

/** How many data keys are wrapped under a master key. */
export interface MasterKeyUse {
  readonly masterKeyId: string;
  readonly dataKeys: number;
}

/** What a run of wrapping again did, and which data keys the keyring could not unwrap. */
export interface Rewrapped {
  readonly count: number;
  readonly failed: { readonly id: string; readonly reason: string }[];
}

/**
 * Wraps every data key that is not under the present master key again, while servers run. It touches no content, may be
 * broken off at any point and run twice at once: a row changes only while it still holds the bytes that were unwrapped.
 */
export async function rewrapDataKeys(db: Db, keyring: Keyring): Promise<Rewrapped> {
  const failed: Rewrapped["failed"] = [];
  let count = 0;
  let last = "";
  for (;;) {
    const rows = await db.run(staleKeys, [await keyring.presentMasterKey(), last, BATCH]);
    for (const { id, wrapped } of rows) {
      const dataKey = await keyring.unwrap(wrapped, id).catch((error: unknown) => {
        if (!(error instanceof MasterKeyMissing || error instanceof KeyringRefused)) throw error;
        failed.push({ id, reason: error.message });
        return null;
      });
      if (dataKey === null) continue;
      const fresh = await keyring.wrap(dataKey, id);
      count += (await db.run(replaceKey, [id, wrapped, fresh.wrapped, fresh.masterKeyId])).length;
    }
    const end = rows.at(-1);
    if (end === undefined) return { count, failed };
    last = end.id;
  }
}

/** Which master keys the living data keys need, by name. */
export async function masterKeysInUse(db: Db): Promise<MasterKeyUse[]> {
  return db.run(keysInUse);
}

const staleKeys = statement<{ id: string; wrapped: Buffer }>(
  "data-keys-stale",
  "select id, wrapped from keys.data_keys where wrapped is not null and master_key_id <> $1 and id > $2 order by id limit $3",
);

const replaceKey = statement<{ id: string }>(
  "data-key-replace",
  "update keys.data_keys set wrapped = $3, master_key_id = $4 where id = $1 and wrapped = $2 returning id",
);

const keysInUse = statement<{ masterKeyId: string; dataKeys: number }>(
  "master-keys-in-use",
  `select master_key_id as "masterKeyId", count(*) as "dataKeys" from keys.data_keys where wrapped is not null group by master_key_id order by master_key_id`,
);
