import contentDisposition from "content-disposition";
import { once } from "node:events";
import type { Readable } from "node:stream";
import parseRange from "range-parser";
import type { Ctx } from "../context.ts";
import { type Happening, record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { StorageUnavailable } from "../vault/blob-store.ts";
import { readBlob, type SealedBlob } from "../vault/sealed-blob.ts";

/** A stored file, as it goes to somebody who may have it. */
export interface StoredFile {
  readonly fileName: string;
  readonly mediaType: string;
  readonly blob: SealedBlob;
  /** Names these very bytes, so that browsers dare to go on with half a download. */
  readonly etag?: string;
}

/** What a request for a file says beside its address. */
export interface FileRequest {
  readonly range: string | undefined;
  readonly ifRange: string | readonly string[] | undefined;
  /** False for HEAD. */
  readonly wantsBytes: boolean;
}

/** An answer to a download: 200 whole, 206 a part, 416 a part that does not exist. */
export interface FileAnswer {
  readonly status: 200 | 206 | 416;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Readable | null;
}

/**
 * Answers with a file as something to save and never to show: `attachment`, `nosniff`, sandboxed, not stored on the way
 * (RFC 6266, RFC 9110 section 14). One range of bytes is served; several are served whole. Records that bytes go out.
 */
export async function answerWithFile(ctx: Ctx, file: StoredFile, { range, ifRange, wantsBytes }: FileRequest, downloaded: Happening): Promise<FileAnswer> {
  const { fileName, mediaType, blob, etag } = file;
  const { size } = blob;
  const headers = {
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
    "content-disposition": contentDisposition(fileName, { fallback: fileName.replace(/[^ -~]/gu, "?") }),
    "content-security-policy": "default-src 'none'; sandbox",
    "content-type": mediaType === "text/plain" ? "text/plain; charset=utf-8" : mediaType,
    "x-content-type-options": "nosniff",
    ...(etag === undefined ? {} : { etag }),
  };
  const isRangeWanted = range !== undefined && (ifRange === undefined || ifRange === etag);
  const ranges = isRangeWanted ? parseRange(size, wholeIfLonger(range, size)) : undefined;
  if (ranges === -1) return { status: 416, headers: { ...headers, "content-range": `bytes */${size}` }, bytes: null };
  const [part] = typeof ranges === "object" && ranges.type === "bytes" && ranges.length === 1 ? ranges : [];
  const bytes = wantsBytes ? readBlob(ctx.blobs, blob, part) : null;
  if (bytes !== null) {
    bytes.on("error", (error) => ctx.log.error({ err: error, requestId: ctx.requestId }, "a stored file could not be read"));
    await begun(bytes);
    await record(ctx, downloaded).catch((error: unknown) => {
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
