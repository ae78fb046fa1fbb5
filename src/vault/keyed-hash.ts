import { createHmac, hkdfSync } from "node:crypto";

/** One-way hashes keyed by the server's secret: what they cover can be neither read nor guessed from a stolen database. */
export interface KeyedHash {
  /** HMAC-SHA-256 under a key of its own for each purpose. */
  hash(purpose: string, value: string): Buffer;
}

/** Derives one key a purpose from the secret key (HKDF, RFC 5869). */
export function createKeyedHash(secretKey: Buffer): KeyedHash {
  const keys = new Map<string, Buffer>();
  return {
    hash(purpose, value) {
      let key = keys.get(purpose);
      if (key === undefined) {
        key = Buffer.from(hkdfSync("sha256", secretKey, "", purpose, 32));
        keys.set(purpose, key);
      }
      return createHmac("sha256", key).update(value).digest();
    },
  };
}
