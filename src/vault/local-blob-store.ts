import { createReadStream, createWriteStream } from "node:fs";
import { access, constants, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type BlobStore, type ByteRange, checkBlobId, IncomingBytes, outgoingBytes, StorageUnavailable } from "./blob-store.ts";

/** Blobs as files below a folder, spread over 256 folders by the last two digits of their id. */
export class LocalBlobStore implements BlobStore {
  constructor(private readonly folder: string) {}

  /** Makes the folder; throws one clear line when it cannot be written. */
  async prepare(): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      await access(this.folder, constants.W_OK);
    } catch (error) {
      throw new Error(`DATA_DIR ${path.dirname(this.folder)} is not writable: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async put(id: string, bytes: AsyncIterable<Buffer>): Promise<number> {
    const file = this.#fileOf(id);
    const part = `${file}.part`;
    const incoming = new IncomingBytes(bytes);
    try {
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      await pipeline(incoming, createWriteStream(part, { mode: 0o600, flush: true }));
      await rename(part, file);
      await syncFolder(path.dirname(file));
      return incoming.length;
    } catch (error) {
      await this.remove(id).catch(() => undefined);
      throw incoming.failureOf(error);
    }
  }

  get(id: string, range?: ByteRange): Readable {
    const file = this.#fileOf(id);
    return outgoingBytes(() => createReadStream(file, range));
  }

  async remove(id: string): Promise<void> {
    const file = this.#fileOf(id);
    try {
      await Promise.all([rm(file, { force: true }), rm(`${file}.part`, { force: true })]);
    } catch (error) {
      throw new StorageUnavailable(error);
    }
  }

  #fileOf(id: string): string {
    return path.join(this.folder, id.slice(-2), checkBlobId(id));
  }
}

/** A rename is durable once its folder is (POSIX); where folders cannot be opened for it, the file system must do. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => null);
  if (handle === null) return;
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
