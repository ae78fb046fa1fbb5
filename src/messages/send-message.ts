import type { ViewerCtx } from "../context.ts";
import { parseAddresses } from "../mailboxes/address.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { mustWrite } from "../mailboxes/mailbox-policy.ts";
import { notFound } from "../problem.ts";
import type { Copy } from "./copy.ts";
import { ownedDraftId } from "./draft-queries.ts";
import { once, sentBefore } from "./idempotency.ts";
import { cleanSubject, type MessageBodyInput, toBody } from "./message-body.ts";
import { Priority } from "./message.ts";
import { postMessage } from "./post-message.ts";

/** A new message; ids are decoded already. */
export interface SendMessage {
  readonly mailboxId: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly subject: string | null;
  readonly body: MessageBodyInput;
  readonly priority: Priority | null;
  readonly attachmentIds: readonly string[];
  readonly draftId: string | null;
  readonly idempotencyKey: string;
}

/** Sends a new message from a mailbox the viewer may write from, and returns the sender's copy. */
export async function sendMessage(ctx: ViewerCtx, { idempotencyKey, ...input }: SendMessage): Promise<Copy> {
  return once(ctx, "sendMessage", idempotencyKey, input, sentBefore, async (ctx) => {
    const from = (await findHeldMailbox(ctx, input.mailboxId)) ?? notFound("mailboxId");
    mustWrite(from.role);
    return postMessage(ctx, {
      from,
      to: parseAddresses(input.to, ctx.config.limits.maxRecipients, "to"),
      cc: parseAddresses(input.cc, ctx.config.limits.maxRecipients, "cc"),
      subject: cleanSubject(input.subject, ctx.config.limits),
      body: toBody(input.body, ctx.config.limits),
      priority: input.priority ?? Priority.NORMAL,
      attachmentIds: input.attachmentIds,
      draftId: await ownedDraftId(ctx, from.uuid, input.draftId),
    });
  });
}
