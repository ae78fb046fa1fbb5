import { Readable } from "node:stream";

/** Where the bytes of attachments live. Whatever the store itself cannot do is a `StorageUnavailable`. */
export interface BlobStore {
  /** Stores a stream whole or not at all; resolves, once it is durable, to its length in bytes. Fails as the stream does. */
  put(id: string, bytes: AsyncIterable<Buffer>): Promise<number>;
  /** Streams the bytes from `start` to `end`, both included. The stream fails if the blob is gone. */
  get(id: string, range?: ByteRange): Readable;
  /** Removes a blob and whatever an interrupted `put` left of it. Not an error if it is gone. */
  remove(id: string): Promise<void>;
}

/** A stretch of bytes: the numbers of the first and the last. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The store cannot take, give or remove bytes for now: it is full, away, refuses us or has lost them. Its `cause` says which. */
export class StorageUnavailable extends Error {
  override readonly name = "StorageUnavailable";

  constructor(cause: unknown) {
    super("The blob store cannot be used for now", { cause });
  }
}

/** The bytes on their way into a store. Counts them, and tells afterwards whether they failed or the store did. */
export class IncomingBytes implements AsyncIterable<Buffer> {
  length = 0;
  #failure: { readonly error: unknown } | null = null;

  constructor(private readonly source: AsyncIterable<Buffer>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    let isTaken = false; // While a chunk is, a store that gives up throws into this very place
    try {
      for await (const chunk of this.source) {
        this.length += chunk.length;
        isTaken = true;
        yield chunk;
        isTaken = false;
      }
    } catch (error) {
      if (!isTaken) this.#failure = { error };
      throw error;
    }
  }

  /** What to throw for an error met while storing: the source's own as it was, any other as the store's. */
  failureOf(error: unknown): unknown {
    return this.#failure === null ? new StorageUnavailable(error) : this.#failure.error;
  }
}

/** A stream of what a store gives. It opens when it is first read; its failures are the store's. */
export function outgoingBytes(open: () => AsyncIterable<Buffer> | Promise<AsyncIterable<Buffer>>): Readable {
  const bytes = async function* (): AsyncGenerator<Buffer> {
    try {
      yield* await open();
    } catch (error) {
      throw new StorageUnavailable(error);
    }
  };
  return Readable.from(bytes(), { objectMode: false });
}

/** Ids become names of files and objects, so that nothing else may come this way. */
export function checkBlobId(id: string): string {
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error("A blob id is a UUID");
  return id;
}
