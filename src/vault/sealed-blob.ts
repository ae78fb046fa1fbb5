import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import type { BlobStore, ByteRange } from "./blob-store.ts";
import { SealBroken } from "./seal.ts";

/*
 * How the bytes of a file look in the blob store (docs/sealing.md has the format with test vectors):
 *
 *   version (1) | chunks: AES-256-GCM ciphertext of 65,536 bytes (the last: of what is left) | tag (16)
 *
 * A blob has a random key of its own, so that a nonce is the chunk's number (11 bytes) and whether it is the last (1):
 * the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015). The associated data is the blob's id.
 */
const VERSION = Buffer.of(1);
const CHUNK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;
const CIPHER = "aes-256-gcm";

/** What it takes to read a file: where its bytes are, their key, and how many they are. */
export interface SealedBlob {
  readonly blobId: string;
  /** 32 bytes. */
  readonly key: Buffer;
  /** Length of the file in bytes, before sealing. */
  readonly size: number;
}

/** A fresh key for one blob. */
export function newBlobKey(): Buffer {
  return randomBytes(32);
}

/** Stores a file sealed under the key, whole or not at all, while it streams in; resolves to its length in bytes. */
export async function storeBlob(blobs: BlobStore, blobId: string, key: Buffer, bytes: AsyncIterable<Buffer>): Promise<number> {
  const stored = (await blobs.put(blobId, sealChunks(blobId, key, bytes))) - VERSION.length;
  return stored - Math.ceil(stored / SEALED_CHUNK_BYTES) * TAG_BYTES;
}

/** Streams a file, or a range of it. The stream fails if a byte of what it needs was changed, cut off, moved or swapped. */
export function readBlob(blobs: BlobStore, blob: SealedBlob, range: ByteRange = { start: 0, end: blob.size - 1 }): Readable {
  return Readable.from(openChunks(blobs, blob, range), { objectMode: false });
}

async function* sealChunks(blobId: string, key: Buffer, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield VERSION;
  let n = 0;
  let chunk: Buffer[] = [];
  let length = 0;
  for await (const part of bytes) {
    let rest = part;
    // A full chunk may be the last one; only more bytes say that it is not.
    for (; length + rest.length > CHUNK_BYTES; rest = rest.subarray(CHUNK_BYTES - length), length = 0, chunk = []) {
      chunk.push(rest.subarray(0, CHUNK_BYTES - length));
      yield* sealChunk(blobId, key, n++, false, chunk);
    }
    chunk.push(rest);
    length += rest.length;
  }
  yield* sealChunk(blobId, key, n, true, chunk);
}

async function* openChunks(blobs: BlobStore, { blobId, key, size }: SealedBlob, { start, end }: ByteRange): AsyncGenerator<Buffer> {
  const last = Math.max(0, Math.ceil(size / CHUNK_BYTES) - 1);
  const [from, to] = [Math.floor(start / CHUNK_BYTES), Math.max(0, Math.floor(end / CHUNK_BYTES))];
  const sealedEnd = to === last ? VERSION.length + size + (last + 1) * TAG_BYTES : VERSION.length + (to + 1) * SEALED_CHUNK_BYTES;
  let n = from;
  const open = (sealed: Buffer): Buffer => {
    const offset = n * CHUNK_BYTES;
    const chunk = openChunk(blobId, key, n, n === last, sealed);
    if (chunk.length !== Math.min(CHUNK_BYTES, size - offset)) throw new SealBroken();
    n += 1;
    return chunk.subarray(Math.max(0, start - offset), end - offset + 1);
  };
  let waiting: Buffer[] = [];
  let length = 0;
  const sealed = from === 0 ? withoutVersion(blobs.get(blobId, { start: 0, end: sealedEnd - 1 })) : blobs.get(blobId, rangeOf(from, sealedEnd));
  for await (const part of sealed) {
    const bytes: Buffer = part;
    waiting.push(bytes);
    length += bytes.length;
    if (length < SEALED_CHUNK_BYTES) continue;
    let rest = Buffer.concat(waiting, length);
    for (; rest.length >= SEALED_CHUNK_BYTES; rest = rest.subarray(SEALED_CHUNK_BYTES)) yield open(rest.subarray(0, SEALED_CHUNK_BYTES));
    [waiting, length] = [[rest], rest.length];
  }
  if (length > 0) yield open(Buffer.concat(waiting, length));
  if (n !== to + 1) throw new SealBroken();
}

function rangeOf(from: number, sealedEnd: number): ByteRange {
  return { start: VERSION.length + from * SEALED_CHUNK_BYTES, end: sealedEnd - 1 };
}

async function* withoutVersion(sealed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let isFirst = true;
  for await (const part of sealed) {
    if (isFirst && part[0] !== VERSION[0]) throw new SealBroken();
    yield isFirst ? part.subarray(VERSION.length) : part;
    isFirst = false;
  }
}

function* sealChunk(blobId: string, key: Buffer, n: number, isLast: boolean, parts: readonly Buffer[]): Generator<Buffer> {
  const cipher = createCipheriv(CIPHER, key, nonceOf(n, isLast), { authTagLength: TAG_BYTES });
  cipher.setAAD(bytesOf(blobId));
  for (const part of parts) yield cipher.update(part);
  cipher.final();
  yield cipher.getAuthTag();
}

function openChunk(blobId: string, key: Buffer, n: number, isLast: boolean, sealed: Buffer): Buffer {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) throw new SealBroken();
  const decipher = createDecipheriv(CIPHER, key, nonceOf(n, isLast), { authTagLength: TAG_BYTES });
  decipher.setAAD(bytesOf(blobId)).setAuthTag(sealed.subarray(end));
  const bytes = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    throw new SealBroken();
  }
  return bytes;
}

function nonceOf(n: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(n, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

function bytesOf(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}
