import type { ViewerCtx } from "../context.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import { notFound } from "../problem.ts";
import type { Copy } from "./copy.ts";
import { findOwnCopy } from "./copy-queries.ts";
import { ownedDraftId } from "./draft-queries.ts";
import { once, sentBefore } from "./idempotency.ts";
import { cleanSubject, type MessageBodyInput, toBody } from "./message-body.ts";
import { mustHold, whyNotReply } from "./message-policy.ts";
import { Priority } from "./message.ts";
import { postMessage } from "./post-message.ts";

/** An answer; ids are decoded already. */
export interface ReplyToMessage {
  readonly messageId: OwnedId;
  readonly body: MessageBodyInput;
  readonly priority: Priority | null;
  readonly attachmentIds: readonly string[];
  readonly draftId: string | null;
  readonly idempotencyKey: string;
}

/** Answers a message that was opened. To and Subject are the server's: the reply goes to the sender, in the same thread. */
export async function replyToMessage(ctx: ViewerCtx, { idempotencyKey, ...input }: ReplyToMessage): Promise<Copy> {
  return once(ctx, "replyToMessage", idempotencyKey, input, sentBefore, async (ctx) => {
    const original = await findOwnCopy(ctx, input.messageId, "messageId");
    const from = (await findHeldMailbox(ctx, original.mailboxId)) ?? notFound("messageId");
    mustHold(whyNotReply(original, from.role));
    return postMessage(ctx, {
      from,
      to: [original.from.address],
      cc: [],
      subject: cleanSubject(prefixed("Re:", original.subject, ctx.config.limits.maxSubjectLength), ctx.config.limits),
      body: toBody(input.body, ctx.config.limits),
      priority: input.priority ?? Priority.NORMAL,
      attachmentIds: input.attachmentIds,
      draftId: await ownedDraftId(ctx, from.uuid, input.draftId),
      threadId: original.threadId,
      inReplyTo: original.messageId,
    });
  });
}

/** A subject with `Re:` or `Fwd:` before it, once, cut to what a subject may have. */
export function prefixed(prefix: "Re:" | "Fwd:", subject: string, maxLength: number): string {
  const bare = subject.replace(prefix === "Re:" ? /^(re:\s*)+/i : /^(fwd?:\s*)+/i, "");
  return [...`${prefix} ${bare}`].slice(0, maxLength).join("");
}
