import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { ZipFile } from "yazl";
import { type ArchiveFault, type ArchiveLimits, faultOfArchive } from "../../src/attachments/archive-check.ts";
import { defaultLimits } from "../../src/limits.ts";
import { zipOf } from "../support/archives.ts";

const MB = 1024 * 1024;
const words = Buffer.from("Some words. ".repeat(1000));
const zeros = (megabytes: number): Buffer => Buffer.alloc(megabytes * MB);

describe("an archive that is what it says is taken:", () => {
  test.each<[what: string, bytes: Uint8Array]>([
    ["an ordinary zip", zipOf([{ data: words }, { data: randomBytes(2 * MB) }, { data: words, stored: true }])],
    ["an empty one", zipOf([])],
    ["as many members as are allowed", zipOf(Array.from({ length: 10_000 }, () => ({ data: Buffer.from("x") })))],
    ["a small file that unpacks a thousandfold, but to little", zipOf([{ data: zeros(9) }])],
    ["members with odd names", zipOf(["../../etc/passwd", "C:\\windows\\x", "/", "\xff"].map((name) => ({ name, data: words })))],
    ["an encrypted member", zipOf([{ data: randomBytes(5000), stored: true, encrypted: true, declaredSize: 5000 - 12 }])],
    ["a zip that begins with something else", behind(Buffer.from("%PDF-1.7\n"), { data: words })],
    ["an archive within an archive, which stays closed", zipOf([{ data: Buffer.from(zipOf([{ data: zeros(50) }])) }])],
    ["gzip", gzipSync(randomBytes(2 * MB))],
    ["two gzip files after one another", Buffer.concat([gzipSync(words), gzipSync(words)])],
    ["anything else", randomBytes(100_000)],
    ["nothing", Buffer.alloc(0)],
  ])("%s", async (_what, bytes) => {
    expect(await faultOf(bytes)).toBeNull();
  });

  test("zip64, from another's hand", async () => {
    expect(await faultOf(await written((zip) => zip.addBuffer(words, "words.txt", { forceZip64Format: true }), true))).toBeNull();
  });
});

describe("a bomb is known:", () => {
  test.each<[what: string, make: () => Uint8Array | Promise<Uint8Array>]>([
    ["300 MB in 300 KB", () => zipOf([{ data: zeros(300) }])],
    ["many members of little each", () => zipOf(Array.from({ length: 30 }, () => ({ data: zeros(1) })))],
    ["one member too many", () => zipOf(Array.from({ length: 10_001 }, () => ({ data: Buffer.from("x") })))],
    ["20,000 members", () => zipOf(Array.from({ length: 20_000 }, () => ({ data: Buffer.alloc(0), stored: true })))],
    ["members that share their bytes", () => zipOf([{ data: randomBytes(50_000) }, ...Array.from({ length: 100 }, () => ({ data: words, sameBytesAs: 0 }))])],
    ["a bomb behind something else", () => behind(Buffer.from("MZ, a program"), { data: zeros(20) })],
    ["zip64, from another's hand", () => written((zip) => zip.addReadStream(Readable.from(megabytes(20)), "zeros", { forceZip64Format: true }), true)],
    ["gzip", () => gzipSync(zeros(20))],
    ["many gzip files after one another", () => Buffer.concat(Array.from({ length: 20 }, () => gzipSync(zeros(1))))],
  ])(
    "%s",
    async (_what, make) => {
      expect(await faultOf(await make())).toBe("too-large");
    },
    60_000,
  );

  test("more than a gigabyte in all, at whatever ratio", async () => {
    const limits = { ...defaultLimits, maxUnpackedBytes: 20 * MB };
    const half = () => Buffer.concat([randomBytes(MB), zeros(9)]);
    expect(await faultOf(zipOf([{ data: half() }]), limits)).toBeNull();
    expect(await faultOf(zipOf([{ data: half() }, { data: half() }, { data: half() }]), limits)).toBe("too-large");
  });
});

describe("an archive that says what is not so is not taken:", () => {
  const zip = Buffer.from(zipOf([{ data: words }, { data: words }]));

  test.each<[what: string, bytes: Uint8Array]>([
    ["a member larger than declared", zipOf([{ data: zeros(30), declaredSize: 400_000 }])],
    ["a member smaller than declared", zipOf([{ data: words, declaredSize: words.length + 1 }])],
    ["a stored member with two sizes", zipOf([{ data: words, stored: true, declaredSize: 5 }])],
    ["a directory with more than it counts", zipOf([{ data: words }, { data: zeros(50) }], 1)],
    ["a directory with less than it counts", zipOf([{ data: words }], 2)],
    ["one cut short", zip.subarray(0, -30)],
    ["one with a hole", Buffer.concat([zip.subarray(0, 40), Buffer.alloc(40), zip.subarray(80)])],
    ["only a beginning", Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(200)])],
    ["gzip cut short", gzipSync(words).subarray(0, -10)],
    ["gzip of noise", Buffer.concat([Buffer.from("\x1f\x8b", "latin1"), randomBytes(1000)])],
  ])("%s", async (_what, bytes) => {
    expect(await faultOf(bytes)).toBe("unreadable");
  });
});

test("what only ends like a zip is none", async () => {
  expect(await faultOf(Buffer.concat([Buffer.from("Words, then "), zipOf([{ data: words }])]))).toBeNull();
  expect(await faultOf(Buffer.concat([Buffer.from(zipOf([{ data: zeros(30) }])).subarray(1000), Buffer.from("PK\x05\x06"), Buffer.alloc(18)]))).toBeNull();
});

test("a fault of the store is not taken for one of the archive", async () => {
  const failing = (): AsyncIterable<Buffer> => {
    throw new Error("the store is away");
  };
  for (const bytes of [Buffer.from(zipOf([{ data: words }])), gzipSync(words)]) {
    await expect(faultOfArchive(failing, bytes.length, bytes.subarray(0, 4), defaultLimits)).rejects.toThrow("the store is away");
  }
});

test("ten thousand members are few reads of the store, and a third of a gigabyte little memory and time", async () => {
  const members = Array.from({ length: 10_000 }, (_, n) => ({ data: Buffer.from(`${n}`.repeat(50)) }));
  const reads: number[] = [];
  expect(await faultOf(zipOf(members), defaultLimits, reads)).toBeNull();
  expect(reads.length).toBeLessThan(30);

  const bomb = gzipSync(Buffer.concat(Array.from({ length: 2 }, () => Buffer.concat([randomBytes(MB), zeros(150)]))));
  const before = process.memoryUsage().rss;
  let peak = before;
  let slowest = 0;
  const watching = new AbortController();
  const watch = (async () => {
    while (!watching.signal.aborted) {
      const at = performance.now();
      await pause(5);
      slowest = Math.max(slowest, performance.now() - at - 5);
      peak = Math.max(peak, process.memoryUsage().rss);
    }
  })();
  const began = performance.now();
  expect(await faultOf(bomb)).toBeNull();
  const took = performance.now() - began;
  watching.abort();
  await watch;
  expect(took).toBeLessThan(30_000);
  expect(peak - before).toBeLessThan(100 * MB);
  expect(slowest).toBeLessThan(2000);
}, 120_000);

/** Asks about bytes as if they lay in a store. */
function faultOf(bytes: Uint8Array, limits: ArchiveLimits = defaultLimits, reads: number[] = []): Promise<ArchiveFault | null> {
  const stored = Buffer.from(bytes);
  const read = ({ start, end }: { start: number; end: number }): AsyncIterable<Buffer> => {
    reads.push(start);
    return Readable.from([stored.subarray(start, end + 1)]);
  };
  return faultOfArchive(read, stored.length, stored.subarray(0, 4100), limits);
}

/** A zip with offsets that count from the beginning of what stands before it. */
function behind(prefix: Buffer, ...[member]: Parameters<typeof zipOf>[0]): Buffer {
  const zip = Buffer.from(zipOf(member ? [member] : []));
  const end = zip.length - 22;
  const directory = zip.readUInt32LE(end + 16);
  zip.writeUInt32LE(directory + prefix.length, end + 16);
  zip.writeUInt32LE(prefix.length, directory + 42);
  return Buffer.concat([prefix, zip]);
}

function written(add: (zip: ZipFile) => void, forceZip64Format: boolean): Promise<Buffer> {
  const zip = new ZipFile();
  add(zip);
  zip.end({ forceZip64Format, comment: "" });
  return buffer(zip.outputStream);
}

function* megabytes(count: number): Generator<Buffer> {
  for (let n = 0; n < count; n += 1) yield zeros(1);
}
