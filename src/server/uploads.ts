import type { FastifyReply, FastifyRequest } from "fastify";
import { processRequest } from "graphql-upload-minimal";
import type { Config } from "../config.ts";

const MAX_FIELD_BYTES = 64 * 1024;
const MAX_FILES = 1;

/** A multipart form that cannot be a GraphQL request. */
export class UploadRefused extends Error {
  constructor(
    readonly statusCode: 400 | 413,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Reads a multipart request (GraphQL multipart request specification) up to its file, which streams on from there.
 * Call it only for somebody signed in and with a preflight header: whatever the form holds is theirs to answer for.
 */
export async function readUpload({ raw: request }: FastifyRequest, { raw: response }: FastifyReply, { limits }: Config): Promise<unknown> {
  guardParser(request);
  const maxFileSize = limits.maxAttachmentBytes + 1; // The parser calls a file cut once it has reached this, not passed it
  try {
    return await processRequest(request, response, { maxFieldSize: MAX_FIELD_BYTES, maxFileSize, maxFiles: MAX_FILES });
  } catch (error) {
    const status = error instanceof Error && "status" in error && error.status === 413 ? 413 : 400;
    throw new UploadRefused(status, status === 413 ? "The form is too large." : "The form is not a GraphQL multipart request.");
  }
}

/** busboy emits a second error for some malformed parts, after the library has stopped listening; unheard, it would end the process. */
function guardParser(request: FastifyRequest["raw"]): void {
  const pipe = request.pipe.bind(request);
  request.pipe = <T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T => {
    destination.on("error", () => undefined);
    return pipe(destination, options);
  };
}
