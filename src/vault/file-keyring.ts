import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Keyring } from "./keyring.ts";

/** Master keys in a file. */
export class FileKeyring implements Keyring {
  constructor(private readonly key: Buffer) {}

  /** Opens the file, made at the first start. */
  static async open(file: string): Promise<FileKeyring> {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, `1 ${randomBytes(32).toString("base64")}\n`, { mode: 0o600, flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    return new FileKeyring(Buffer.from((await readFile(file, "utf8")).trim().split(" ")[1] ?? "", "base64"));
  }

  async wrap(dataKey: Buffer, context: string): Promise<{ wrapped: Buffer; masterKeyId: string }> {
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.key, nonce).setAAD(Buffer.from(context));
    return { wrapped: Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]), masterKeyId: "1" };
  }

  async unwrap(wrapped: Buffer, context: string): Promise<Buffer> {
    const decipher = createDecipheriv("aes-256-gcm", this.key, wrapped.subarray(0, 12)).setAAD(Buffer.from(context)).setAuthTag(wrapped.subarray(-16));
    return Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
  }

  async presentMasterKey(): Promise<string> {
    return "1";
  }
}
