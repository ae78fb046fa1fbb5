import { createReadStream, createWriteStream } from "node:fs";
import { access, constants, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";

/** Where the bytes of attachments live. */
export interface BlobStore {
  /** Stores a stream whole or not at all; resolves, once it is durable, to its length in bytes. */
  put(id: string, bytes: AsyncIterable<Buffer> | Readable): Promise<number>;
  /** Streams the bytes from `start` to `end`, both included. The stream fails if the blob is gone. */
  get(id: string, range?: { start: number; end: number }): Readable;
  /** Removes a blob and whatever an interrupted `put` left of it. Not an error if it is gone. */
  remove(id: string): Promise<void>;
}

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

  async put(id: string, bytes: AsyncIterable<Buffer> | Readable): Promise<number> {
    const file = this.#fileOf(id);
    const part = `${file}.part`;
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    try {
      const sink = createWriteStream(part, { mode: 0o600, flush: true });
      await pipeline(bytes, sink);
      await rename(part, file);
      await syncFolder(path.dirname(file));
      return sink.bytesWritten;
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  get(id: string, range?: { start: number; end: number }): Readable {
    return createReadStream(this.#fileOf(id), range);
  }

  async remove(id: string): Promise<void> {
    const file = this.#fileOf(id);
    await Promise.all([rm(file, { force: true }), rm(`${file}.part`, { force: true })]);
  }

  #fileOf(id: string): string {
    if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error("A blob id is a UUID");
    return path.join(this.folder, id.slice(-2), id);
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
