import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { BlobStore } from "../../src/vault/blob-store.ts";
import { SealBroken } from "../../src/vault/seal.ts";
import { newBlobKey, readBlob, type SealedBlob, storeBlob } from "../../src/vault/sealed-blob.ts";
import { Random } from "../support/random.ts";

const CHUNK = 65_536;
const SEALED = CHUNK + 16;
const random = new Random(11);

/** A store in memory, so that what lies in it can be looked at and changed. */
class MemoryStore implements BlobStore {
  readonly blobs = new Map<string, Buffer>();

  async put(id: string, bytes: AsyncIterable<Buffer>): Promise<number> {
    const stored = await buffer(bytes);
    this.blobs.set(id, stored);
    return stored.length;
  }

  get(id: string, range?: { start: number; end: number }): Readable {
    const bytes = this.blobs.get(id) ?? Buffer.alloc(0);
    const wanted = range ? bytes.subarray(range.start, range.end + 1) : bytes;
    return Readable.from(pieces(wanted), { objectMode: false });
  }

  async remove(id: string): Promise<void> {
    this.blobs.delete(id);
  }
}

/** Bytes in pieces of any length. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random.below(CHUNK * 2);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

async function stored(store: BlobStore, bytes: Buffer): Promise<SealedBlob> {
  const blobId = randomUUID();
  const key = newBlobKey();
  return { blobId, key, size: await storeBlob(store, blobId, key, Readable.from(pieces(bytes))) };
}

const page = readFileSync(path.join(import.meta.dirname, "..", "..", "docs", "sealing.md"), "utf8");
const vectors: { blobKey: string; blobId: string; size: number; sealed: string; text: string }[] = JSON.parse(
  /```json\n([^`]*"blobKey"[^`]*)```/.exec(page)?.[1] ?? "[]",
);

test("the documented vectors open", async () => {
  expect(vectors.length).toBeGreaterThan(1);
  for (const { blobKey, blobId, size, sealed, text } of vectors) {
    const store = new MemoryStore();
    store.blobs.set(blobId, Buffer.from(sealed, "hex"));
    expect((await buffer(readBlob(store, { blobId, key: Buffer.from(blobKey, "hex"), size }))).toString()).toBe(text);
  }
});

test.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 77])("%i bytes come back, and none of them stands in the store", async (size) => {
  const store = new MemoryStore();
  const bytes = randomBytes(size);
  const blob = await stored(store, bytes);
  expect(blob.size).toBe(size);
  expect((await buffer(readBlob(store, blob))).equals(bytes)).toBe(true);
  const sealed = store.blobs.get(blob.blobId) ?? Buffer.alloc(0);
  expect(sealed.length).toBe(1 + size + 16 * Math.max(1, Math.ceil(size / CHUNK)));
  if (size > 16) expect(sealed.includes(bytes.subarray(0, 16))).toBe(false);
});

test("every range gives the bytes it names", async () => {
  const store = new MemoryStore();
  const bytes = randomBytes(3 * CHUNK + 1234);
  const blob = await stored(store, bytes);
  const edges = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1, 3 * CHUNK, bytes.length - 1];
  for (const start of edges) {
    for (const end of edges.filter((edge) => edge >= start)) {
      expect((await buffer(readBlob(store, blob, { start, end }))).equals(bytes.subarray(start, end + 1))).toBe(true);
    }
  }
});

describe("what was done to the stored bytes is found:", () => {
  const bytes = randomBytes(3 * CHUNK + 500);
  const chunk = (sealed: Buffer, n: number): Buffer => sealed.subarray(1 + n * SEALED, 1 + (n + 1) * SEALED);
  const head = Buffer.of(1);

  test.each<[string, (sealed: Buffer) => Buffer]>([
    ["a byte changed at the start", (sealed) => flipped(sealed, 1)],
    ["a byte changed in the middle", (sealed) => flipped(sealed, SEALED + 100)],
    ["a byte changed at the end", (sealed) => flipped(sealed, sealed.length - 1)],
    ["another version", (sealed) => flipped(sealed, 0)],
    ["the last byte cut off", (sealed) => sealed.subarray(0, -1)],
    ["the last chunk cut off", (sealed) => sealed.subarray(0, 1 + 3 * SEALED)],
    ["two chunks cut off", (sealed) => sealed.subarray(0, 1 + 2 * SEALED)],
    ["everything cut off", () => Buffer.alloc(0)],
    ["two chunks changed places", (sealed) => Buffer.concat([head, chunk(sealed, 1), chunk(sealed, 0), chunk(sealed, 2), chunk(sealed, 3)])],
    ["a chunk came twice", (sealed) => Buffer.concat([head, chunk(sealed, 0), chunk(sealed, 0), chunk(sealed, 2), chunk(sealed, 3)])],
    ["a chunk is missing", (sealed) => Buffer.concat([head, chunk(sealed, 0), chunk(sealed, 2), chunk(sealed, 3)])],
  ])("%s", async (_what, change) => {
    const store = new MemoryStore();
    const blob = await stored(store, bytes);
    expect((await buffer(readBlob(store, blob))).equals(bytes)).toBe(true);
    store.blobs.set(blob.blobId, change(store.blobs.get(blob.blobId) ?? Buffer.alloc(0)));
    await expect(buffer(readBlob(store, blob))).rejects.toThrow(SealBroken);
  });

  test("a chunk of another file, and another file in its place, even under the same key", async () => {
    const store = new MemoryStore();
    const blob = await stored(store, bytes);
    const otherId = randomUUID();
    await storeBlob(store, otherId, blob.key, Readable.from(pieces(bytes)));
    const [one = head, other = head] = [store.blobs.get(blob.blobId), store.blobs.get(otherId)];
    store.blobs.set(blob.blobId, Buffer.concat([head, chunk(other, 0), one.subarray(1 + SEALED)]));
    await expect(buffer(readBlob(store, blob))).rejects.toThrow(SealBroken);
    store.blobs.set(blob.blobId, other);
    await expect(buffer(readBlob(store, blob))).rejects.toThrow(SealBroken);
  });

  test("a length that is not the file's", async () => {
    const store = new MemoryStore();
    const blob = await stored(store, bytes);
    for (const size of [0, CHUNK, bytes.length - 1, bytes.length + 1, bytes.length + CHUNK]) {
      await expect(buffer(readBlob(store, { ...blob, size }))).rejects.toThrow(SealBroken);
    }
  });
});

function flipped(sealed: Buffer, at: number): Buffer {
  const changed = Buffer.from(sealed);
  changed[at] = (changed[at] ?? 0) ^ 0x80;
  return changed;
}
