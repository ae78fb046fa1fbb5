import type { Readable } from "node:stream";
import { type Ctx, inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";
import { StorageUnavailable } from "../vault/blob-store.ts";
import { newBlobKey, readBlob, storeBlob } from "../vault/sealed-blob.ts";
import { faultOfArchive } from "./archive-check.ts";
import { Attachment, type FileHeader } from "./attachment.ts";
import { cleanFileName, DETECTION_BYTES, detectMediaType } from "./file-name.ts";
import { recordAttachments } from "./record-attachments.ts";
import { releaseUpload } from "./release-attachments.ts";

/** A file as it comes in. `isCut` says, after its end, whether the parser stopped at the size limit. */
export interface IncomingFile {
  readonly fileName: string;
  readonly bytes: Readable;
  isCut(): boolean;
}

/**
 * Streams a file to the blob store and keeps it for its uploader until a draft or a message takes it. A row says that
 * it is coming before the first byte is stored, so that whatever a crash leaves behind is found and removed.
 */
export async function uploadAttachment(ctx: ViewerCtx, file: IncomingFile): Promise<Attachment> {
  const { blobs, clock, config, dataKeys, viewer } = ctx;
  const createdAt = clock.now();
  const attachment = new Attachment();
  Object.assign(attachment, {
    uuid: newId(createdAt),
    blobId: newId(createdAt),
    uploadedBy: viewer.accountId,
    messageId: null,
    draftId: null,
    position: 0,
    createdAt,
    scanStartedAt: null,
    heldAt: null,
    malware: null,
  });
  try {
    await announce(ctx, attachment);
  } catch (error) {
    file.bytes.resume();
    throw error;
  }
  try {
    const start = new StartOf(file.bytes);
    const blobKey = newBlobKey();
    attachment.size = await storeBlob(blobs, attachment.blobId, blobKey, start.watched());
    if (file.isCut()) tooLarge(config.limits.maxAttachmentBytes);
    const header: FileHeader = {
      fileName: cleanFileName(file.fileName),
      mediaType: await detectMediaType(start.bytes()),
      key: blobKey.toString("base64"),
    };
    await mustBeHarmless(ctx, attachment, blobKey, start.bytes());
    attachment.storedAt = clock.now();
    attachment.header = (await dataKeys.ofDay(attachment.storedAt)).seal({ id: attachment.uuid, field: "file" }, header);
    attachment.scannedAt = config.clamd === null ? attachment.storedAt : null;
    attachment.opener = await dataKeys.forSealed([attachment.header]);
    await inTransaction(ctx, async (ctx) => {
      const { uuid, blobId, size, storedAt } = attachment;
      const stored = await ctx.db.run(finishUpload, [uuid, size, attachment.header, storedAt]);
      if (stored.length === 0) refuse(ProblemCode.STORAGE_UNAVAILABLE, "The upload took too long and was given up. Try again.", { field: "file" });
      await ctx.db.run(queueScan, [blobId, storedAt, attachment.scannedAt]);
      await recordAttachments(ctx, "attachment.uploaded", [blobId]);
    });
    return attachment;
  } catch (error) {
    file.bytes.resume();
    await abandon(ctx, attachment, error);
    if (error instanceof StorageUnavailable) {
      ctx.log.error({ err: error, requestId: ctx.requestId }, "the blob store refused an upload");
      refuse(ProblemCode.STORAGE_UNAVAILABLE, "The file could not be stored for now. Nothing was kept; try again later.", { field: "file", retryAfter: 60 });
    }
    if (isBrokenOff(error)) refuse(ProblemCode.INVALID_INPUT, "The upload broke off before its end. Nothing was kept; try again.", { field: "file" });
    throw error;
  }
}

/** Refuses what is packed too well, scanner or none: clamd calls 300 MB in a zip of 300 KB clean. */
async function mustBeHarmless({ blobs, config }: Ctx, { blobId, size }: Attachment, key: Buffer, start: Buffer): Promise<void> {
  const fault = await faultOfArchive((range) => readBlob(blobs, { blobId, key, size }, range), size, start, config.limits);
  if (fault === null) return;
  const sentence = {
    "too-large": "This archive holds too many files or unpacks to too much. Nothing was kept; pack less into one file.",
    unreadable: "This archive is damaged or not what it says it is. Nothing was kept; pack it again.",
  }[fault];
  refuse(ProblemCode.ATTACHMENT_REJECTED, sentence, { field: "file" });
}

async function announce(ctx: ViewerCtx, { uuid, blobId, createdAt }: Attachment): Promise<void> {
  const limit = ctx.config.limits.maxWaitingUploads;
  const { waiting } = await ctx.db.one(countWaiting, [ctx.viewer.accountId]);
  withinLimit(waiting + 1, limit, "file", "Uploads that are on no message yet");
  await ctx.db.run(beginUpload, [uuid, blobId, ctx.viewer.accountId, createdAt]);
}

/** Takes everything of a failed upload back: a job what the store cannot remove now, the sweep what even the database cannot. */
async function abandon(ctx: Ctx, { uuid, blobId }: Attachment, error: unknown): Promise<void> {
  try {
    if (error instanceof StorageUnavailable) return await releaseUpload(ctx, uuid);
    await ctx.blobs.remove(blobId);
    await ctx.db.run(dropUpload, [uuid]);
  } catch (error) {
    ctx.log.warn({ err: error, requestId: ctx.requestId }, "a failed upload is left to the sweep");
  }
}

function tooLarge(limit: number): never {
  refuse(ProblemCode.LIMIT_EXCEEDED, `A file may have at most ${limit.toLocaleString("en")} bytes. Nothing was kept.`, { field: "file", limit });
}

/** The client went away, or sent a form that ends too early or holds more than its one file (which carries an HTTP status). */
function isBrokenOff(error: unknown): boolean {
  return error instanceof Error && ("status" in error || /disconnect|premature|unexpected end|aborted|terminated early/i.test(error.message));
}

/** Lets a stream pass and keeps its first bytes. Who stops early leaves it whole, so that the rest can be read away. */
class StartOf {
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(private readonly source: Readable) {}

  async *watched(): AsyncGenerator<Buffer> {
    for await (const chunk of this.source.iterator({ destroyOnReturn: false })) {
      const bytes: Buffer = chunk;
      if (this.#length < DETECTION_BYTES) {
        this.#chunks.push(bytes.subarray(0, DETECTION_BYTES - this.#length));
        this.#length += bytes.length;
      }
      yield bytes;
    }
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

const countWaiting = statement<{ waiting: number }>(
  "uploads-waiting",
  "select count(*)::int as waiting from attachments where uploaded_by = $1 and message_id is null and draft_id is null",
);
const beginUpload = statement("upload-begin", "insert into attachments (id, blob_id, uploaded_by, created_at) values ($1, $2, $3, $4)");
const finishUpload = statement<{ id: string }>("upload-finish", "update attachments set size = $2, header = $3, stored_at = $4 where id = $1 returning id");
const queueScan = statement("scan-queue", "insert into scans (blob_id, uploaded_at, next_at, finished_at) values ($1, $2, $2, $3)");
const dropUpload = statement("upload-drop", "delete from attachments where id = $1 and message_id is null and draft_id is null");
