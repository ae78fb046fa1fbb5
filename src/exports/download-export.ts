import { answerWithFile, type FileAnswer, type FileRequest } from "../attachments/file-answer.ts";
import type { ViewerCtx } from "../context.ts";
import { decodeId } from "../graphql/node-id.ts";
import { notFound } from "../problem.ts";
import type { ExportHeader } from "./export.ts";
import { ExportState } from "./export.ts";
import { findOwnExport } from "./export-queries.ts";

/** Hands an export to the account that asked for it, within its hour. */
export async function downloadExport(ctx: ViewerCtx, id: string, request: FileRequest): Promise<FileAnswer> {
  const found = await findOwnExport(ctx, decodeId("Export", id));
  const { uuid, row, fileName, sha256 } = found;
  const { blobId, size, header } = row;
  if (found.state !== ExportState.READY || blobId === null || size === null || header === null) notFound("id");
  const { key } = (await ctx.dataKeys.forSealed([header])).open<ExportHeader>({ id: uuid, field: "export" }, header);
  const file = { fileName, mediaType: "application/zip", blob: { blobId, key: Buffer.from(key, "base64"), size }, etag: `"${sha256 ?? uuid}"` };
  return answerWithFile(ctx, file, request, { action: "export.downloaded", subjectId: uuid });
}
