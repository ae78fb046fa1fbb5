import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import { parseAddresses } from "../mailboxes/address.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { notFound } from "../problem.ts";
import type { Copy } from "./copy.ts";
import { findOwnCopy } from "./copy-queries.ts";
import { ownedDraftId } from "./draft-queries.ts";
import { once, sentBefore } from "./idempotency.ts";
import { bodyOfMessage, recipientsOfMessage } from "./message-queries.ts";
import { cleanSubject, forwardedBody, type MessageBodyInput, toBody } from "./message-body.ts";
import { mustHold, whyNotForward } from "./message-policy.ts";
import { Priority } from "./message.ts";
import { markOpened } from "./open-message.ts";
import { type Outgoing, postMessage } from "./post-message.ts";
import { prefixed } from "./reply-to-message.ts";

/** A message to pass on; ids are decoded already. */
export interface ForwardMessage {
  readonly messageId: OwnedId;
  readonly to: readonly string[];
  readonly body: MessageBodyInput | null;
  readonly priority: Priority | null;
  readonly attachmentIds: readonly string[];
  readonly draftId: string | null;
  readonly idempotencyKey: string;
}

/**
 * Passes a message on, its files by reference. External people reach employees and teams only; one other address stops
 * it all. What is passed on was read by the server for the viewer, so forwarding opens the message.
 */
export async function forwardMessage(ctx: ViewerCtx, { idempotencyKey, ...input }: ForwardMessage): Promise<Copy> {
  return once(ctx, "forwardMessage", idempotencyKey, input, sentBefore, async (ctx) => {
    const original = await findOwnCopy(ctx, input.messageId, "messageId");
    const from = (await findHeldMailbox(ctx, original.mailboxId)) ?? notFound("messageId");
    mustHold(whyNotForward(from.role));
    // Expiry takes messages one by one under a lock; holding this one keeps its files until ours stand beside them.
    const [kept] = await ctx.db.run(keepMessage, [original.messageId]);
    if (kept === undefined) notFound("messageId");
    const opened = await markOpened(ctx, [original]);
    const outgoing: Outgoing = {
      from,
      to: parseAddresses(input.to, ctx.config.limits.maxRecipients, "to"),
      cc: [],
      subject: cleanSubject(prefixed("Fwd:", original.subject, ctx.config.limits.maxSubjectLength), ctx.config.limits),
      body: forwardedBody(
        toBody(input.body, ctx.config.limits),
        await headOf(ctx, original),
        await bodyOfMessage.load(ctx, original.messageId),
        ctx.config.limits,
      ),
      priority: input.priority ?? Priority.NORMAL,
      attachmentIds: input.attachmentIds,
      draftId: await ownedDraftId(ctx, from.uuid, input.draftId),
      threadId: original.threadId,
      forwardedFrom: original.messageId,
    };
    return postMessage(ctx, outgoing, opened);
  });
}

async function headOf(ctx: ViewerCtx, original: Copy): Promise<string[]> {
  const recipients = await recipientsOfMessage.load(ctx, original.messageId);
  return [
    `From: ${original.from.displayName} <${original.from.address}>`,
    `Sent: ${original.sentAt.toISOString()}`,
    `To: ${recipients.map(({ address }) => address).join(", ")}`,
    `Subject: ${original.subject || "(no subject)"}`,
  ];
}

const keepMessage = statement<{ id: string }>("message-keep", "select id from messages where id = $1 for key share");
