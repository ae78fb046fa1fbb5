import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Config } from "../config.ts";

/** Who signs the seals of the ledger now, and whose signatures count. */
export interface SigningKeys {
  /** Null where only public keys are at hand: enough to verify, not to seal. */
  readonly signer: { readonly id: string; readonly key: KeyObject } | null;
  /** Public keys by their ids: the present signer's and those of retired ones. */
  readonly trusted: ReadonlyMap<string, KeyObject>;
}

/**
 * Reads the keys from a file of PEM blocks: the signer's private key (PKCS #8) first, the public keys (SPKI) of retired
 * signers after it. All are Ed25519. Without AUDIT_SIGNING_KEY it is a file of the data folder, made at first use.
 */
export async function readSigningKeys({ auditSigningKey, dataDir }: Config): Promise<SigningKeys> {
  const file = auditSigningKey ?? path.join(dataDir, "audit-signing-key.pem");
  if (auditSigningKey === null) await makeKeyFile(file);
  try {
    return parseSigningKeys(await readFile(file, "utf8"));
  } catch (error) {
    throw new Error(`AUDIT_SIGNING_KEY ${file} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The keys in PEM text. Throws where there is none, or one that is no Ed25519 key. */
export function parseSigningKeys(pem: string): SigningKeys {
  const blocks = pem.match(/-----BEGIN (PRIVATE|PUBLIC) KEY-----[^-]+-----END \1 KEY-----/g) ?? [];
  if (blocks.length === 0) throw new Error("it holds no PRIVATE KEY and no PUBLIC KEY in PEM");
  const keys = blocks.map((block) => {
    const key = block.includes("PRIVATE") ? createPrivateKey(block) : createPublicKey(block);
    if (key.asymmetricKeyType !== "ed25519") throw new Error("it holds a key that is not Ed25519");
    return { id: keyIdOf(key), key };
  });
  const signer = keys.find(({ key }) => key.type === "private") ?? null;
  return { signer, trusted: new Map(keys.map(({ id, key }) => [id, key.type === "private" ? createPublicKey(key) : key])) };
}

/** Names a key by its JWK thumbprint (RFC 7638, RFC 8037 appendix A.3). */
function keyIdOf(key: KeyObject): string {
  const { crv, kty, x } = key.export({ format: "jwk" });
  return createHash("sha256").update(JSON.stringify({ crv, kty, x })).digest("base64url");
}

async function makeKeyFile(file: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
  await writeFile(file, pem, { mode: 0o600, flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}
