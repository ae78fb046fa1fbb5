import path from "node:path";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { type BlobStore, StorageUnavailable } from "./blob-store.ts";
import { LocalBlobStore } from "./local-blob-store.ts";

/**
 * Makes the store that the configuration names. Throws one clear line when it can never work; one that is only away for
 * now does not keep the server from starting, since everything but files works without it.
 */
export async function createBlobStore({ s3, dataDir }: Pick<Config, "s3" | "dataDir">, log: Logger): Promise<BlobStore> {
  if (s3 === null) {
    const store = new LocalBlobStore(path.join(dataDir, "blobs"));
    await store.prepare();
    return store;
  }
  const { S3BlobStore } = await import("./s3-blob-store.ts");
  const store = new S3BlobStore(s3);
  await store.prepare().catch((error: unknown) => {
    if (!(error instanceof StorageUnavailable)) throw error;
    log.warn({ err: error }, "the blob store cannot be reached; files are refused until it can");
  });
  return store;
}
