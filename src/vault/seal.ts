import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { dayNumber } from "../clock.ts";

/*
 * How anything confidential looks in the database (docs/sealing.md has the format with test vectors):
 *
 *   version (1) | kind of data key (1) | which one (0, 4 or 16) | nonce (12) | AES-256-GCM ciphertext | tag (16)
 *
 * The associated data is all before the nonce, the field's name, a zero byte, and the 16 bytes of the id it belongs to.
 */
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

/** What a sealed value is, and of what: it opens as nothing else. */
export interface SealedBy {
  /** UUID of the message, draft, attachment, account or mailbox it belongs to. */
  readonly id: string;
  readonly field: SealedField;
}

/** Everything that is sealed. A body or a draft has a key of its own; the others share one for each data key. */
export type SealedField =
  | "header"
  | "body"
  | "draft"
  | "file"
  | "name"
  | "note"
  | "export"
  | "words"
  | "mail"
  | "phrase"
  | "report"
  | "sign-in"
  | "passkey"
  | "totp"
  | "bucket-key"
  | `bucket/${number}`;

const keyForEach: ReadonlySet<SealedField> = new Set(["body", "draft"]);

/** Names a data key: of a UTC day of sending, of a hold, or the lasting one of people's names. */
export type DataKeyId = `day/${string}` | `hold/${string}` | "directory";

/** The sealed bytes are damaged, or belong to something else. */
export class SealBroken extends Error {
  constructor() {
    super("A sealed value is damaged or stands in a place that is not its own");
  }
}

/** The key is gone, and with it whatever it sealed. */
export class KeyDestroyed extends Error {
  constructor() {
    super("The key of a sealed value is destroyed");
  }
}

/** A data key, unwrapped: seals values, and opens what it has sealed. */
export class DataKey {
  /** How sealed values name this key. */
  readonly reference: Buffer;
  readonly #secret: KeyObject;
  readonly #fieldKeys = new Map<SealedField, KeyObject>();

  constructor(
    readonly id: DataKeyId,
    secret: Buffer,
  ) {
    this.reference = referenceTo(id);
    this.#secret = createSecretKey(secret);
  }

  /** Seals a JSON value. */
  seal<T>(by: SealedBy, value: T): Buffer {
    return this.sealBytes(by, Buffer.from(JSON.stringify(value)));
  }

  /** Opens what `seal` made of a value of the same type. */
  open<T>(by: SealedBy, sealed: Buffer): T {
    const value: T = JSON.parse(this.openBytes(by, sealed).toString());
    return value;
  }

  /** Seals bytes as they are. */
  sealBytes(by: SealedBy, bytes: Buffer): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keyOf(by), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(associatedData(this.reference, by));
    return Buffer.concat([this.reference, nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
  }

  /** Opens what `sealBytes` made. */
  openBytes(by: SealedBy, sealed: Buffer): Buffer {
    const start = this.reference.length + NONCE_BYTES;
    const end = sealed.length - TAG_BYTES;
    if (end < start) throw new SealBroken();
    const decipher = createDecipheriv(CIPHER, this.#keyOf(by), sealed.subarray(this.reference.length, start), { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(this.reference, by)).setAuthTag(sealed.subarray(end));
    const bytes = decipher.update(sealed.subarray(start, end));
    try {
      decipher.final();
    } catch {
      throw new SealBroken();
    }
    return bytes;
  }

  #keyOf({ id, field }: SealedBy): KeyObject {
    if (keyForEach.has(field)) return this.#derive(Buffer.concat([Buffer.from(field), bytesOf(id)]));
    let key = this.#fieldKeys.get(field);
    if (key === undefined) this.#fieldKeys.set(field, (key = this.#derive(Buffer.from(field))));
    return key;
  }

  /** The first block of HKDF-Expand (RFC 5869, section 2.3); a uniform key needs no Extract (section 3.3). */
  #derive(info: Buffer): KeyObject {
    return createSecretKey(createHmac("sha256", this.#secret).update(info).update(Buffer.of(1)).digest());
  }
}

/** Opens sealed values whose keys are at hand. */
export class Opener {
  constructor(private readonly keys: ReadonlyMap<string, DataKey>) {}

  /** Opens a JSON value. Throws `KeyDestroyed` if its key is gone. */
  open<T>(by: SealedBy, sealed: Buffer): T {
    return this.#keyOf(sealed).open<T>(by, sealed);
  }

  /** Opens bytes. Throws `KeyDestroyed` if their key is gone. */
  openBytes(by: SealedBy, sealed: Buffer): Buffer {
    return this.#keyOf(sealed).openBytes(by, sealed);
  }

  #keyOf(sealed: Buffer): DataKey {
    const key = this.keys.get(referenceIn(sealed));
    if (key === undefined) throw new KeyDestroyed();
    return key;
  }
}

const kinds = { day: { code: 1, bytes: 4 }, hold: { code: 2, bytes: 16 }, directory: { code: 3, bytes: 0 } } as const;
const bytesOfKind = new Map<number, number>(Object.values(kinds).map(({ code, bytes }) => [code, bytes]));

/** How sealed values name their data key. */
export function referenceTo(id: DataKeyId): Buffer {
  const [kind, which = ""] = id.split("/");
  if (kind === "hold") return Buffer.concat([Buffer.of(VERSION, kinds.hold.code), bytesOf(which)]);
  if (kind === "directory") return Buffer.of(VERSION, kinds.directory.code);
  const reference = Buffer.of(VERSION, kinds.day.code, 0, 0, 0, 0);
  reference.writeUInt32BE(dayNumber(new Date(which)), 2);
  return reference;
}

/** The reference at the head of a sealed value, as a map key. */
export function referenceIn(sealed: Buffer): string {
  const bytes = bytesOfKind.get(sealed[1] ?? 0);
  if (sealed[0] !== VERSION || bytes === undefined) throw new SealBroken();
  return sealed.toString("latin1", 0, 2 + bytes);
}

function associatedData(reference: Buffer, { id, field }: SealedBy): Buffer {
  return Buffer.concat([reference, Buffer.from(`${field}\0`), bytesOf(id)]);
}

function bytesOf(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}
