import path from "node:path";
import type { Clock } from "../src/clock.ts";
import { createKeyring } from "../src/vault/create-keyring.ts";
import { DataKeys } from "../src/vault/data-keys.ts";

/** Where the benchmark keeps its databases, keys and files. */
export const dataDir = path.join(import.meta.dirname, "data");

/** The benchmark's own master keys, made like the demo's: all its processes seal and open with the same. */
export const masterKeys = path.join(dataDir, "master-keys");

/** The data keys of the benchmark's database. */
export async function openDataKeys(databaseUrl: string, clock: Clock): Promise<DataKeys> {
  return new DataKeys(databaseUrl, await createKeyring({ keyring: null, dataDir }, clock), clock);
}
