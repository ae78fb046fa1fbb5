import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { Readable } from "node:stream";
import { SECOND } from "../clock.ts";
import type { S3Config } from "../config.ts";
import { type BlobStore, type ByteRange, checkBlobId, IncomingBytes, outgoingBytes, StorageUnavailable } from "./blob-store.ts";

const CONNECT_MS = 2 * SECOND;
/** How long a start waits to hear whether the bucket can be used. */
const PREPARE_MS = 5 * SECOND;
/** From asking to the head of the answer, a part of 5 MB on its way in included. */
const ANSWER_MS = 15 * SECOND;
/** Longer than an idle client is left connected, so that a slow reader never looks like a silent store. */
const IDLE_MS = 90 * SECOND;
/** Slow downloads hold one each. */
const MAX_SOCKETS = 500;

/** Blobs as objects of one bucket of Amazon S3 or of any server that speaks its protocol. */
export class S3BlobStore implements BlobStore {
  readonly #client: S3Client;

  /** Credentials come from where the AWS SDK looks for them: environment, shared files, the machine's role. */
  constructor(private readonly config: S3Config) {
    const { endpoint, region } = config;
    this.#client = new S3Client({
      // A server of one's own has no name for each bucket, and its region is whatever we call it.
      ...(endpoint === null ? {} : { endpoint, forcePathStyle: true, region: "us-east-1" }),
      ...(region === null ? {} : { region }),
      // Every request is signed over the SHA-256 of its body, and what comes back is sealed: both ends notice a wrong
      // byte already. The SDK's further checksums are what many other servers do not understand.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      maxAttempts: 3,
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        requestTimeout: ANSWER_MS,
        throwOnRequestTimeout: true,
        socketTimeout: IDLE_MS,
        httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
        httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      },
    });
  }

  /**
   * Throws one clear line when the bucket cannot be used as we were told: no such bucket, no region, no credentials or
   * none that may. Throws `StorageUnavailable` when it is only away.
   */
  async prepare(): Promise<void> {
    const { bucket, prefix } = this.config;
    try {
      await Promise.all([this.#client.config.region(), this.#client.config.credentials()]);
      const first = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, MaxUploads: 1 });
      await this.#client.send(first, { abortSignal: AbortSignal.timeout(PREPARE_MS) }).catch((error: unknown) => {
        throw isRefusal(error) ? error : new StorageUnavailable(error);
      });
    } catch (error) {
      if (error instanceof StorageUnavailable) throw error;
      throw new Error(`BLOB_STORE s3://${bucket} cannot be used: ${error instanceof Error ? error.name : String(error)}`);
    }
  }

  async put(id: string, bytes: AsyncIterable<Buffer>): Promise<number> {
    const incoming = new IncomingBytes(bytes);
    const params = { ...this.#objectOf(id), Body: Readable.from(incoming, { objectMode: false }), ContentType: "application/octet-stream" };
    try {
      // One part at a time: each is held in memory, and nothing more is read once one has failed.
      await new Upload({ client: this.#client, params, queueSize: 1 }).done();
      return incoming.length;
    } catch (error) {
      throw incoming.failureOf(error);
    }
  }

  get(id: string, range?: ByteRange): Readable {
    const object = { ...this.#objectOf(id), ...(range && { Range: `bytes=${range.start}-${range.end}` }) };
    return outgoingBytes(async () => {
      const { Body } = await this.#client.send(new GetObjectCommand(object));
      if (!(Body instanceof Readable)) throw new Error("The answer has no body");
      return Body;
    });
  }

  async remove(id: string): Promise<void> {
    const object = this.#objectOf(id);
    try {
      await Promise.all([this.#client.send(new DeleteObjectCommand(object)), this.#abortUploads(object)]);
    } catch (error) {
      throw new StorageUnavailable(error);
    }
  }

  /** An upload that broke off while the store was away still has its parts there. */
  async #abortUploads({ Bucket, Key }: { Bucket: string; Key: string }): Promise<void> {
    const { Uploads = [] } = await this.#client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }));
    await Promise.all(Uploads.map(({ UploadId }) => this.#client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))));
  }

  #objectOf(id: string): { Bucket: string; Key: string } {
    return { Bucket: this.config.bucket, Key: `${this.config.prefix}${checkBlobId(id)}` };
  }
}

/** True when the server answered that we are wrong, not that it has trouble of its own. */
function isRefusal(error: unknown): boolean {
  return error instanceof S3ServiceException && error.$response !== undefined && error.$response.statusCode < 500 && error.$response.statusCode !== 429;
}
