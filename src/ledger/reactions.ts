import type { Action } from "./event.ts";

/** Jobs that an event can set off, by the names under which `worker.ts` wires them. */
export type JobName =
  "remove-released-blobs" | "scan-attachments" | "keep-holds" | "expire-messages" | "build-exports" | "notify-recipients" | "send-mails" | "mail-codes";

/** What follows from which event, all on one page. The relay turns these into jobs after the commit. */
export const reactions: Partial<Record<Action, readonly JobName[]>> = {
  "message.sent": ["notify-recipients"],
  "notice.queued": ["send-mails"],
  "device.added": ["send-mails"],
  "sign-in-code.requested": ["send-mails"],
  "validation.requested": ["mail-codes"],
  "validation.mailed": ["send-mails"],
  "account.password-changed": ["send-mails"],
  "account.password-reset": ["send-mails"],
  "account.address-changed": ["send-mails"],
  "account.closed": ["send-mails"],
  "factor.added": ["send-mails"],
  "factor.removed": ["send-mails"],
  "attachment.uploaded": ["scan-attachments"],
  "attachment.released": ["remove-released-blobs"],
  "hold.placed": ["keep-holds"],
  "hold.lifted": ["keep-holds", "expire-messages"],
  "export.requested": ["build-exports"],
  "export.interrupted": ["remove-released-blobs"],
  "export.expired": ["remove-released-blobs"],
  "export.failed": ["remove-released-blobs"],
  "invitation.sent": ["send-mails"],
};

/** The actions that leave an outbox row. */
export const reactiveActions: readonly string[] = Object.keys(reactions);

/** Jobs that do all there is to do: while one of them waits for its turn, another is not queued beside it. */
export const coalescedJobs: ReadonlySet<JobName> = new Set(["notify-recipients", "send-mails"]);
