import { createHash } from "node:crypto";
import { PassThrough, pipeline, Readable, Transform } from "node:stream";
import { finished } from "node:stream/promises";
import { ZipFile } from "yazl";

/** Text shrinks well at the fastest level, and most files are packed already. */
const COMPRESSION_LEVEL = 1;

/** Nobody reads the archive any more, so there is no use in adding to it. */
export class Abandoned extends Error {}

/** A ZIP file as it is being written, one file after the other, with a list of what each file's SHA-256 is. */
export class ExportArchive {
  /** Its bytes. What is added waits until they are read; destroy it to give up. */
  readonly bytes = new PassThrough();
  readonly #zip = new ZipFile();
  readonly #checksums: string[] = [];

  constructor() {
    this.#zip.outputStream.pipe(this.bytes);
    this.bytes.on("error", () => undefined); // Whoever reads hears of it
    this.#zip.on("error", (error: Error) => this.bytes.destroy(error));
  }

  /** Adds a file; resolves to its length once the reader has taken it. */
  async add(name: string, modifiedAt: Date, content: Readable): Promise<number> {
    if (this.bytes.destroyed) {
      content.destroy();
      throw new Abandoned();
    }
    const hash = createHash("sha256");
    let length = 0;
    const watched = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        length += chunk.length;
        done(null, chunk);
      },
    });
    const abandon = (): void => void watched.destroy(new Abandoned());
    this.bytes.once("close", abandon);
    this.#zip.addReadStreamLazy(name, { mtime: modifiedAt, mode: 0o100644, compressionLevel: COMPRESSION_LEVEL }, handedOnce(watched));
    this.#keepNameApart();
    pipeline(content, watched, () => undefined); // What goes wrong in either ends the latter
    await finished(watched).finally(() => this.bytes.off("close", abandon));
    this.#checksums.push(`${hash.digest("hex")}  ${name}\n`);
    return length;
  }

  /** Adds the list of checksums, as `sha256sum --check` reads it, and ends the archive. */
  async end(at: Date): Promise<void> {
    await this.add("manifest-sha256.txt", at, Readable.from([...this.#checksums]));
    this.#zip.end();
  }

  /** The library keeps each name until the archive ends, in a slice of Node's buffer pool: 64 KB of that for every file. */
  #keepNameApart(): void {
    const entries: unknown = Reflect.get(this.#zip, "entries");
    const entry: unknown = Array.isArray(entries) ? entries.at(-1) : null;
    if (!(entry instanceof Object)) return;
    const name: unknown = Reflect.get(entry, "utf8FileName");
    if (Buffer.isBuffer(name)) Reflect.set(entry, "utf8FileName", Buffer.alloc(name.length, name));
  }
}

/** The library keeps this until the archive ends; by then it must not hold on to what it has handed over. */
function handedOnce(stream: Readable): (take: (error: null, stream: Readable) => void) => void {
  let held: Readable | null = stream;
  return (take) => {
    if (held !== null) take(null, held);
    held = null;
  };
}
