import { ProblemCode, refuse } from "../problem.ts";
import { type Attachment, AttachmentState } from "./attachment.ts";

/** Refuses to let the bytes of a file leave the house, by download or relay, before they were found clean. */
export function mustBeClean({ state }: Attachment): void {
  switch (state) {
    case AttachmentState.CLEAN:
      return;
    case AttachmentState.REJECTED:
      return refuse(ProblemCode.ATTACHMENT_REJECTED, "Malware was found in this file, so nobody gets it. Ask its sender for a clean one.");
    case AttachmentState.UPLOADED:
    case AttachmentState.SCANNING:
      return refuse(ProblemCode.ATTACHMENT_HELD, "This file is still being checked for malware. It can be fetched as soon as its state is CLEAN.");
  }
}
