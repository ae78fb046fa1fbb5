import { Arg, Ctx as Context, Field, FieldResolver, ID, ObjectType, Query, Resolver, Root } from "type-graphql";
import { attachmentsOfMessage } from "../attachments/attachment-queries.ts";
import { Attachment } from "../attachments/attachment.ts";
import { type Ctx, signedIn } from "../context.ts";
import { decodeOwnedId } from "../graphql/node-id.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { Mailbox } from "../mailboxes/mailbox.ts";
import { notFound, type Problem, ProblemCode } from "../problem.ts";
import { Copy } from "./copy.ts";
import { copyOfMessage, findOwnCopy } from "./copy-queries.ts";
import { MessageBody } from "./message-body.ts";
import { whyNotForward, whyNotReply } from "./message-policy.ts";
import { bodyOfMessage, parentOfMessage, recipientsOfMessage } from "./message-queries.ts";
import { openMessage } from "./open-message.ts";
import { Delivery, Recipient } from "./recipient.ts";

/** Whether the viewer may do something with a message, and if not, why and what to do instead. */
@ObjectType({ description: "Whether the viewer may do something with a message; decided by the very rules the mutation follows." })
class Permission {
  @Field(() => Boolean, { description: "Whether the mutation would be allowed." })
  allowed!: boolean;

  @Field(() => ProblemCode, { nullable: true, description: "The code the mutation would answer; null where it is allowed." })
  reason!: ProblemCode | null;

  @Field(() => String, { nullable: true, description: "What to do instead, in one English sentence; null where it is allowed." })
  alternative!: string | null;
}

@Resolver(() => Copy)
export class MessageResolver {
  @Query(() => Copy, { nullable: true, description: "One of the viewer's messages. Any other id is NOT_FOUND." })
  async message(@Context() ctx: Ctx, @Arg("id", () => ID, { description: "Its id." }) id: string): Promise<Copy> {
    return findOwnCopy(signedIn(ctx), decodeOwnedId("Message", id));
  }

  @FieldResolver(() => MessageBody, {
    description: "What it says. Fetching it opens the message: the first time sets `openedAt` and marks it read, and every time is recorded.",
  })
  async body(@Context() ctx: Ctx, @Root() copy: Copy): Promise<MessageBody> {
    await openMessage(signedIn(ctx), copy);
    return bodyOfMessage.load(ctx, copy.messageId);
  }

  @FieldResolver(() => Date, { nullable: true, description: "When somebody first opened it in this mailbox; for what was sent from it, when it was sent." })
  openedAt(@Root() copy: Copy): Date | null | Promise<Date | null> {
    return copy.onceOpened(({ openedAt }) => openedAt);
  }

  @FieldResolver(() => Mailbox, { description: "The mailbox it lies in." })
  async mailbox(@Context() ctx: Ctx, @Root() copy: Copy): Promise<Mailbox> {
    return (await findHeldMailbox(signedIn(ctx), copy.mailboxId)) ?? notFound();
  }

  @FieldResolver(() => [Recipient], { description: "To whom it is addressed, in order." })
  async recipients(@Context() ctx: Ctx, @Root() copy: Copy): Promise<Recipient[]> {
    const recipients = await recipientsOfMessage.load(ctx, copy.messageId);
    const ownMessage = copy.fromMailboxId === copy.mailboxId;
    return recipients.map((recipient) => Object.assign(new Recipient(), recipient, { ownMessage }));
  }

  @FieldResolver(() => [Attachment], { description: "Its files, in order." })
  async attachments(@Context() ctx: Ctx, @Root() copy: Copy): Promise<Attachment[]> {
    return copy.attachmentCount === 0 ? [] : attachmentsOfMessage.load(ctx, copy.messageId);
  }

  @FieldResolver(() => Copy, { nullable: true, description: "The message it answers, if this mailbox still has that." })
  async inReplyTo(@Context() ctx: Ctx, @Root() copy: Copy): Promise<Copy | undefined> {
    const parent = await parentOfMessage.load(ctx, copy.messageId);
    return parent === null ? undefined : copyOfMessage.load(ctx, { mailboxId: copy.mailboxId, uuid: parent });
  }

  @FieldResolver(() => Permission, { description: "Whether the viewer may reply." })
  async canReply(@Context() ctx: Ctx, @Root() copy: Copy): Promise<Permission> {
    const { role } = (await findHeldMailbox(signedIn(ctx), copy.mailboxId)) ?? notFound();
    return copy.onceOpened((opened) => toPermission(whyNotReply(opened, role)));
  }

  @FieldResolver(() => Permission, { description: "Whether the viewer may forward it; to whom, decides the forwarding itself." })
  async canForward(@Context() ctx: Ctx, @Root() copy: Copy): Promise<Permission> {
    const { role } = (await findHeldMailbox(signedIn(ctx), copy.mailboxId)) ?? notFound();
    return toPermission(whyNotForward(role));
  }
}

@Resolver(() => Recipient)
export class RecipientResolver {
  @FieldResolver(() => Delivery, { nullable: true, description: "What became of this recipient's copy. Only the sender may know; null to everybody else." })
  delivery(@Root() { ownMessage, status, route, updatedAt }: Recipient): Delivery | null {
    return ownMessage ? Object.assign(new Delivery(), { status, route, updatedAt }) : null;
  }
}

function toPermission(problem: Problem | null): Permission {
  return Object.assign(new Permission(), { allowed: problem === null, reason: problem?.code ?? null, alternative: problem?.message ?? null });
}
