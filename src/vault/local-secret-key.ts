import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { newSecretKey } from "../config.ts";

/** The demo's own secret key, made at the first start and kept in the data folder. */
export async function localSecretKey(dataDir: string): Promise<Buffer> {
  const file = path.join(dataDir, "secret-key");
  await mkdir(dataDir, { recursive: true });
  await writeFile(file, newSecretKey(), { mode: 0o600, flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  return Buffer.from(await readFile(file, "utf8"), "base64");
}
