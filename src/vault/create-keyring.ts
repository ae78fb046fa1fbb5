import path from "node:path";
import type { Clock } from "../clock.ts";
import type { Config } from "../config.ts";
import { FileKeyring } from "./file-keyring.ts";
import { type Keyring, KeyringUnavailable } from "./keyring.ts";
import { ensureKeyFile } from "./master-key-file.ts";

/** The keyring of the configuration. One that refuses us is an error at the start; one that is away may come back. */
export async function createKeyring(config: Pick<Config, "keyring" | "dataDir">, clock: Clock): Promise<Keyring> {
  const keyring = await openKeyring(config, clock);
  await keyring.presentMasterKey().catch((error: unknown) => {
    if (!(error instanceof KeyringUnavailable)) throw error;
  });
  return keyring;
}

/** Clients of services are loaded only where they are used. */
async function openKeyring({ keyring, dataDir }: Pick<Config, "keyring" | "dataDir">, clock: Clock): Promise<Keyring> {
  switch (keyring?.kind) {
    case undefined: {
      const file = path.join(dataDir, "master-keys");
      await ensureKeyFile(file, clock);
      return new FileKeyring(file);
    }
    case "file":
      return new FileKeyring(keyring.path);
    case "aws-kms": {
      const { AwsKmsKeyring } = await import("./aws-kms-keyring.ts");
      return new AwsKmsKeyring(keyring.keyId);
    }
    case "vault": {
      const { TransitKeyring } = await import("./transit-keyring.ts");
      return new TransitKeyring(keyring);
    }
  }
}
