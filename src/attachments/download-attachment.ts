import contentDisposition from "content-disposition";
import { once } from "node:events";
import type { Readable } from "node:stream";
import parseRange from "range-parser";
import type { ViewerCtx } from "../context.ts";
import { decodeId } from "../graphql/node-id.ts";
import { record } from "../ledger/record.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { StorageUnavailable } from "../vault/blob-store.ts";
import { readBlob } from "../vault/sealed-blob.ts";
import { findReadableAttachment } from "./attachment-queries.ts";

/** An answer to a download: 200 whole, 206 a part, 416 a part that does not exist. */
export interface Download {
  readonly status: 200 | 206 | 416;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Readable | null;
}

/**
 * Opens a file for a viewer who may read it, as something to save and never to show: `attachment`, `nosniff`, sandboxed,
 * not stored on the way (RFC 6266, RFC 9110 section 14). One range of bytes is served; several are served whole.
 */
export async function downloadAttachment(ctx: ViewerCtx, id: string, range: string | undefined, wantsBytes: boolean): Promise<Download> {
  const found = (await findReadableAttachment(ctx, decodeId("Attachment", id))) ?? notFound("id");
  const { attachment, mailboxId } = found;
  const { size, fileName, mediaType } = attachment;
  const headers = {
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
    "content-disposition": contentDisposition(fileName, { fallback: fileName.replace(/[^ -~]/gu, "?") }),
    "content-security-policy": "default-src 'none'; sandbox",
    "content-type": mediaType === "text/plain" ? "text/plain; charset=utf-8" : mediaType,
    "x-content-type-options": "nosniff",
  };
  const ranges = range === undefined ? undefined : parseRange(size, wholeIfLonger(range, size));
  if (ranges === -1) return { status: 416, headers: { ...headers, "content-range": `bytes */${size}` }, bytes: null };
  const [part] = typeof ranges === "object" && ranges.type === "bytes" && ranges.length === 1 ? ranges : [];
  const bytes = wantsBytes ? readBlob(ctx.blobs, attachment.blob, part) : null;
  if (bytes !== null) {
    bytes.on("error", (error) => ctx.log.error({ err: error, requestId: ctx.requestId }, "a stored file could not be read"));
    await begun(bytes);
    await record(ctx, {
      action: "attachment.downloaded",
      subjectId: attachment.uuid,
      ...(mailboxId === null ? {} : { mailboxId }),
      ...(attachment.messageId === null ? {} : { messageId: attachment.messageId }),
    }).catch((error: unknown) => {
      bytes.destroy();
      throw error;
    });
  }
  if (part === undefined) return { status: 200, headers: { ...headers, "content-length": String(size) }, bytes };
  const { start, end } = part;
  return { status: 206, headers: { ...headers, "content-length": String(end - start + 1), "content-range": `bytes ${start}-${end}/${size}` }, bytes };
}

/** Waits for the first bytes, so that a store that has none to give is a refusal and not an answer that breaks off. */
async function begun(bytes: Readable): Promise<void> {
  try {
    await once(bytes, "readable");
  } catch (error) {
    if (!(error instanceof StorageUnavailable)) throw error;
    refuse(ProblemCode.STORAGE_UNAVAILABLE, "The file cannot be fetched for now. Try again later.", { retryAfter: 60 });
  }
}

/** A suffix longer than the file means all of it (RFC 9110, section 14.1.2); the parser takes it for a part that does not exist. */
function wholeIfLonger(range: string, size: number): string {
  return range.replace(/^bytes=-(\d+)$/, (suffix, length) => (Number(length) > size ? "bytes=0-" : suffix));
}
