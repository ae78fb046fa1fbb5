import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { finished, pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import type { Limits } from "../limits.ts";

/** Reads a stretch of a stored file, both ends included. */
export type ReadRange = (range: { start: number; end: number }) => AsyncIterable<Buffer>;

/** Why an archive is not taken: it unpacks to too much, or nobody can tell to how much. */
export type ArchiveFault = "too-large" | "unreadable";

/** The limits of what is packed in a file. */
export type ArchiveLimits = Pick<Limits, "maxArchiveMembers" | "maxUnpackedBytes" | "maxUnpackedRatio">;

/** So much may always come out, however small the file: the ratio of little files says nothing. */
const HARMLESS_BYTES = 10 * 1024 * 1024;
const WINDOW_BYTES = 256 * 1024;
const DEFLATED = 8;
const ZIP = [Buffer.from("PK\x03\x04", "latin1"), Buffer.from("PK\x05\x06", "latin1")];
const GZIP = Buffer.from("\x1f\x8b", "latin1");
const DIRECTORY_ENTRY = 0x02014b50;

/**
 * Whether a stored file is an archive that should not reach anybody, null if not. A zip (so every docx, xlsx and jar)
 * is known by its end, wherever it begins; it is held to what its directory declares, then unpacked into nothing to
 * see that this is true. A gzip file is unpacked into nothing up to the limit. Archives within archives stay closed,
 * and encrypted members are taken at their word. Memory stays within a window, whatever the file.
 */
export async function faultOfArchive(read: ReadRange, size: number, start: Buffer, limits: ArchiveLimits): Promise<ArchiveFault | null> {
  const allowed = Math.min(limits.maxUnpackedBytes, Math.max(HARMLESS_BYTES, size * limits.maxUnpackedRatio));
  const startsWith = (magic: Buffer): boolean => start.subarray(0, magic.length).equals(magic);
  return startsWith(GZIP)
    ? faultOfGzip(read, size, allowed)
    : faultOfZip(new WindowedReader(read, size), ZIP.some(startsWith), allowed, limits.maxArchiveMembers);
}

async function faultOfZip(reader: WindowedReader, isZip: boolean, allowed: number, maxMembers: number): Promise<ArchiveFault | null> {
  try {
    const zip = await fromRandomAccessReaderPromise(reader, reader.size, { autoClose: false, decodeStrings: false });
    const members = await membersWithin(zip, reader.size, allowed, maxMembers);
    if (members === null) return "too-large";
    if (await hasMoreThanItCounts(zip, reader)) return "unreadable";
    for (const member of members) await finished((await zip.openReadStreamPromise(member)).resume());
    return null;
  } catch {
    if (reader.fault !== null) throw reader.fault;
    return isZip ? "unreadable" : null; // What merely looks like the end of a zip is anything but one
  }
}

/** The members that can be unpacked; null if all members together are too many or declare too much. */
async function membersWithin(zip: ZipFile, size: number, allowed: number, maxMembers: number): Promise<Entry[] | null> {
  if (zip.entryCount > maxMembers) return null;
  const deflated: Entry[] = [];
  let declared = 0;
  let packed = 0;
  for await (const entry of zip.eachEntry()) {
    declared += entry.uncompressedSize;
    packed += entry.compressedSize;
    if (declared > allowed || packed > size) return null; // Members that overlap pack more than there is
    if (entry.compressionMethod === DEFLATED && !entry.isEncrypted()) deflated.push(entry);
  }
  return deflated;
}

/** Some programs unpack as many members as the directory says, others all that stand in it. */
async function hasMoreThanItCounts(zip: ZipFile, reader: WindowedReader): Promise<boolean> {
  const next = Number(zip.readEntryCursor);
  return next + 4 <= reader.size && (await reader.bytes(next, 4)).readUInt32LE() === DIRECTORY_ENTRY;
}

async function faultOfGzip(read: ReadRange, size: number, allowed: number): Promise<ArchiveFault | null> {
  const source = new WindowedReader(read, size);
  let unpacked = 0;
  try {
    await pipeline(source._readStreamForRange(0, size), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const { length } of chunks) if ((unpacked += length) > allowed) throw new TooLarge();
    });
    return null;
  } catch (error) {
    if (error instanceof TooLarge) return "too-large";
    if (source.fault !== null) throw source.fault;
    return "unreadable";
  }
}

class TooLarge extends Error {}

/** Reads a stored file at random through one window of it, so that ten thousand small reads are few of the store's. */
class WindowedReader extends RandomAccessReader {
  /** What went wrong in the store, as against in the archive. */
  fault: Error | null = null;
  #window = Buffer.alloc(0);
  #from = 0;

  constructor(
    private readonly readRange: ReadRange,
    readonly size: number,
  ) {
    super();
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#slices(start, end), { objectMode: false });
  }

  async bytes(start: number, length: number): Promise<Buffer> {
    return buffer(this.#slices(start, start + length));
  }

  async *#slices(start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end;) {
      await this.#moveTo(at);
      const slice = this.#window.subarray(at - this.#from, end - this.#from);
      if (slice.length === 0) return;
      yield slice;
      at += slice.length;
    }
  }

  async #moveTo(at: number): Promise<void> {
    if (at >= this.#from && at < this.#from + this.#window.length) return;
    const start = at - (at % WINDOW_BYTES);
    if (start >= this.size) {
      this.#window = Buffer.alloc(0);
      return;
    }
    try {
      this.#window = await buffer(this.readRange({ start, end: Math.min(start + WINDOW_BYTES, this.size) - 1 }));
      this.#from = start;
    } catch (error) {
      this.fault = error instanceof Error ? error : new Error("the store gave no bytes", { cause: error });
      throw this.fault;
    }
  }
}
