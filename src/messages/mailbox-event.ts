import { Field, ID, Int, InterfaceType, ObjectType } from "type-graphql";
import { Attachment } from "../attachments/attachment.ts";
import { Copy } from "./copy.ts";

/** Something that changed in a mailbox. */
@InterfaceType({ description: "Something that changed in a mailbox. Keep `cursor`: subscribing again `after` it misses nothing and repeats nothing." })
export abstract class MailboxEvent {
  @Field(() => String, { description: "The mailbox's place in its feed with this event." })
  cursor!: string;

  @Field(() => Int, { description: "Unread messages in the mailbox's INBOX, as of when this event was read." })
  unreadCount!: number;
}

/** A message is new in the mailbox. */
@ObjectType({ implements: MailboxEvent, description: "A message is new in the mailbox: it came in, or it was sent from it (then it lies in SENT)." })
export class MessageReceived extends MailboxEvent {
  @Field(() => Copy, { description: "The message." })
  message!: Copy;
}

/** A message changed. */
@ObjectType({
  implements: MailboxEvent,
  description: "A message was opened, marked, flagged or moved, its expiry changed with a hold, or a recipient's delivery came further.",
})
export class MessageChanged extends MailboxEvent {
  @Field(() => Copy, { description: "The message as it stands now." })
  message!: Copy;
}

/** A message expires soon. */
@ObjectType({ implements: MailboxEvent, description: "A message expires soon. Told 30, 7 and 1 days before, once each." })
export class MessageExpiring extends MailboxEvent {
  @Field(() => Copy, { description: "The message; its `expiresAt` says when." })
  message!: Copy;

  @Field(() => Int, { description: "At most so many days were left when the warning was given: 30, 7 or 1." })
  daysLeft!: number;
}

/** A message is gone. */
@ObjectType({ implements: MailboxEvent, description: "A message is gone: deleted or expired." })
export class MessageRemoved extends MailboxEvent {
  @Field(() => ID, { description: "The id it had." })
  messageId!: string;
}

/** The check of a file came further. */
@ObjectType({
  implements: MailboxEvent,
  description: "A file in the mailbox was uploaded, is being checked for malware, was found clean or rejected, or is held because there is no verdict.",
})
export class AttachmentChanged extends MailboxEvent {
  @Field(() => Attachment, { description: "The file as it stands now." })
  attachment!: Attachment;

  @Field(() => Copy, { nullable: true, description: "The message it is on; null while it is on none." })
  attachedTo!: Copy | null;
}

/** Too much was missed. */
@ObjectType({
  implements: MailboxEvent,
  description: "More was missed than the feed replays, or the cursor is from another time: fetch the mailbox afresh. What happens from here on follows.",
})
export class RefetchRequired extends MailboxEvent {
  @Field(() => String, { description: "Why, in one English sentence." })
  reason!: string;
}
