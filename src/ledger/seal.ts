import { createHash, hash, sign, verify } from "node:crypto";
import type { SigningKeys } from "./signing-keys.ts";

/** What a seal says and its signature covers. */
export interface SealPayload {
  /** From 1 without a gap. */
  readonly number: number;
  /** SHA-256, in base64url, of the seal before as it was signed; null in the first. */
  readonly previous: string | null;
  /** When it was made, in ISO 8601. */
  readonly sealedAt: string;
  /** How many events it covers. */
  readonly events: number;
  /** `contentOf` its ranges, in base64url. */
  readonly content: string;
}

/** The rows of one mailbox that a seal covers: those with the last sequences up to `toSequence`, a hash for each. */
export interface SealedRange {
  readonly mailboxId: string;
  readonly toSequence: number;
  readonly hashes: Buffer;
}

/** Signs a seal: a JWS in compact form (RFC 7515) with Ed25519 (RFC 8037), which any JOSE library verifies. */
export function signSeal(payload: SealPayload, { id, key }: NonNullable<SigningKeys["signer"]>): string {
  const { number, previous, sealedAt, events, content } = payload;
  const signed = [
    { alg: "EdDSA", kid: id },
    { number, previous, sealedAt, events, content },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
}

/** A seal taken apart; null if it is not one of ours in form. */
export function readSeal(jws: string): { payload: SealPayload; keyId: string } | null {
  const [header, payload] = jws.split(".").slice(0, 2).map(parsed);
  const { alg, kid } = header ?? {};
  const { number, previous, sealedAt, events, content } = payload ?? {};
  if (alg !== "EdDSA" || typeof kid !== "string" || typeof number !== "number" || typeof events !== "number") return null;
  if (typeof sealedAt !== "string" || typeof content !== "string" || !(previous === null || typeof previous === "string")) return null;
  return { payload: { number, previous, sealedAt, events, content }, keyId: kid };
}

/** Whether a seal was signed by one of these keys. */
export function isSignedBy(trusted: SigningKeys["trusted"], jws: string): boolean {
  const key = trusted.get(readSeal(jws)?.keyId ?? "");
  const end = jws.lastIndexOf(".");
  return key !== undefined && verify(null, Buffer.from(jws.slice(0, end)), key, Buffer.from(jws.slice(end + 1), "base64url"));
}

/** How the next seal names this one. */
export function hashSeal(jws: string): string {
  return hash("sha256", jws, "base64url");
}

/**
 * Digests what a seal covers, range by range in the order of mailbox ids. Of each: the 16 bytes of the mailbox id,
 * `toSequence` and how many bytes follow, as 8 bytes each with the highest first, then the rows' hashes in order of sequence.
 */
export class ContentDigest {
  readonly #digest = createHash("sha256");

  add({ mailboxId, toSequence, hashes }: SealedRange): void {
    const head = Buffer.alloc(32);
    head.write(mailboxId.replaceAll("-", ""), "hex");
    head.writeBigInt64BE(BigInt(toSequence), 16);
    head.writeBigInt64BE(BigInt(hashes.length), 24);
    this.#digest.update(head).update(hashes);
  }

  /** The digest in base64url; nothing can be added after. */
  end(): string {
    return this.#digest.digest("base64url");
  }
}

function parsed(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}
