import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { type Keyring, KeyringRefused, MasterKeyMissing, type WrappedKey } from "./keyring.ts";
import { type MasterKey, readMasterKeys } from "./master-key-file.ts";

const VERSION = 1;
const NONCE = 12;
const TAG = 16;

/**
 * Master keys in a local file (see `readMasterKeys`). A wrapped key is `0x01 | length of id | id | 12-byte nonce |
 * AES-256-GCM ciphertext | 16-byte tag`; everything before the nonce, followed by the context, is associated data.
 *
 * The file is read anew whenever a key is wrapped and whenever an unknown master key is met, both of which are rare: so a
 * running server takes a rotated file up by itself, and never wraps under a master key that was taken out of it.
 */
export class FileKeyring implements Keyring {
  #known: readonly MasterKey[] = [];

  constructor(private readonly file: string) {}

  async wrap(dataKey: Buffer, context: string): Promise<WrappedKey> {
    const { id, key } = await this.#present();
    const header = Buffer.concat([Buffer.of(VERSION, id.length), Buffer.from(id)]);
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG }).setAAD(Buffer.concat([header, Buffer.from(context)]));
    return { wrapped: Buffer.concat([header, nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]), masterKeyId: id };
  }

  async unwrap(wrapped: Buffer, context: string): Promise<Buffer> {
    const length = wrapped[1];
    if (wrapped[0] !== VERSION || length === undefined || wrapped.length < 2 + length + NONCE + TAG) throw notOurs(context);
    const header = wrapped.subarray(0, 2 + length);
    const { key } = await this.#find(header.toString("utf8", 2));
    const nonce = wrapped.subarray(header.length, header.length + NONCE);
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG })
      .setAAD(Buffer.concat([header, Buffer.from(context)]))
      .setAuthTag(wrapped.subarray(-TAG));
    try {
      return Buffer.concat([decipher.update(wrapped.subarray(header.length + NONCE, -TAG)), decipher.final()]);
    } catch {
      throw notOurs(context);
    }
  }

  async presentMasterKey(): Promise<string> {
    return (await this.#present()).id;
  }

  /** The first key of the file as it is now. */
  async #present(): Promise<MasterKey> {
    const [present] = (this.#known = await readMasterKeys(this.file));
    if (present === undefined) throw new Error("A key file has at least one line");
    return present;
  }

  async #find(id: string): Promise<MasterKey> {
    const isIt = (candidate: MasterKey): boolean => candidate.id === id;
    const known = this.#known.find(isIt);
    if (known !== undefined) return known;
    this.#known = await readMasterKeys(this.file);
    const found = this.#known.find(isIt);
    if (found === undefined) throw new MasterKeyMissing(id);
    return found;
  }
}

function notOurs(context: string): KeyringRefused {
  return new KeyringRefused(`What is stored as the data key ${context} was not wrapped as that by this key file.`, "NOT_OURS");
}
