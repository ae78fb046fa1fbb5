import type { ViewerCtx } from "../context.ts";
import { decodeId } from "../graphql/node-id.ts";
import { notFound } from "../problem.ts";
import { mustBeClean } from "./attachment-policy.ts";
import { readableAttachment } from "./attachment-queries.ts";
import { answerWithFile, type FileAnswer, type FileRequest } from "./file-answer.ts";

/** Opens a file for a viewer who may read it, once it was found clean. */
export async function downloadAttachment(ctx: ViewerCtx, id: string, request: FileRequest): Promise<FileAnswer> {
  const { attachment, mailboxId } = (await readableAttachment.load(ctx, decodeId("Attachment", id))) ?? notFound("id");
  mustBeClean(attachment);
  return answerWithFile(ctx, attachment, request, {
    action: "attachment.downloaded",
    subjectId: attachment.uuid,
    ...(mailboxId === null ? {} : { mailboxId }),
    ...(attachment.messageId === null ? {} : { messageId: attachment.messageId }),
  });
}
