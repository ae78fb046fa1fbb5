import { Field, ID, InputType } from "type-graphql";
import { Folder } from "./copy.ts";
import { MessageBodyInput } from "./message-body.ts";
import { Priority } from "./message.ts";

const about = {
  body: "What it says.",
  priority: "How urgent it is; NORMAL if left out.",
  attachmentIds: "Files uploaded before, or on the draft, in the order they shall stand. When forwarding, those of the message go along by themselves.",
  draftId: "The draft this was; it is consumed.",
  idempotencyKey: "1 to 200 characters that name this very sending, say a random UUID. The same key sends once and gets the same answer for 24 hours.",
  messageIds: "1 to 100 messages, in any of the viewer's mailboxes.",
};

/** What every way of writing takes. */
@InputType()
export abstract class WritingInput {
  @Field(() => Priority, { nullable: true, description: about.priority })
  priority?: Priority | null;

  @Field(() => [ID], { nullable: true, description: about.attachmentIds })
  attachmentIds?: string[] | null;

  @Field(() => ID, { nullable: true, description: about.draftId })
  draftId?: string | null;

  @Field(() => String, { description: about.idempotencyKey })
  idempotencyKey!: string;
}

@InputType({ description: "A new message." })
export class SendMessageInput extends WritingInput {
  @Field(() => ID, { description: "The mailbox to send from." })
  mailboxId!: string;

  @Field(() => [String], { description: "Whom it is addressed to: `name@domain` or `Name <name@domain>`. External people reach employees and teams only." })
  to!: string[];

  @Field(() => [String], { nullable: true, description: "Who gets a copy." })
  cc?: string[] | null;

  @Field(() => String, { nullable: true, description: "What it is about, on one line." })
  subject?: string | null;

  @Field(() => MessageBodyInput, { description: about.body })
  body!: MessageBodyInput;
}

@InputType({ description: "An answer. To and Subject are the server's to set: it goes to the sender, as `Re:` what was sent." })
export class ReplyToMessageInput extends WritingInput {
  @Field(() => ID, { description: "The message to answer; it must have been opened." })
  messageId!: string;

  @Field(() => MessageBodyInput, { description: about.body })
  body!: MessageBodyInput;
}

@InputType({ description: "A message to pass on. Its text and files go along." })
export class ForwardMessageInput extends WritingInput {
  @Field(() => ID, { description: "The message to pass on." })
  messageId!: string;

  @Field(() => [String], { description: "Whom to. External people may forward to employees and teams only." })
  to!: string[];

  @Field(() => MessageBodyInput, { nullable: true, description: "What to say before the original." })
  body?: MessageBodyInput | null;
}

@InputType({ description: "What a draft shall hold from now on; what is left out is empty." })
export class SaveDraftInput {
  @Field(() => ID, { nullable: true, description: "The draft to save over; a new one if left out." })
  draftId?: string | null;

  @Field(() => ID, { description: "The mailbox it will be sent from." })
  mailboxId!: string;

  @Field(() => [String], { nullable: true, description: "Whom it shall go to, as typed; checked when it is sent." })
  to?: string[] | null;

  @Field(() => [String], { nullable: true, description: "Who shall get a copy, as typed." })
  cc?: string[] | null;

  @Field(() => String, { nullable: true, description: "Its subject." })
  subject?: string | null;

  @Field(() => MessageBodyInput, { nullable: true, description: about.body })
  body?: MessageBodyInput | null;

  @Field(() => Priority, { nullable: true, description: about.priority })
  priority?: Priority | null;

  @Field(() => [ID], { nullable: true, description: "All files it shall have; others are let go." })
  attachmentIds?: string[] | null;

  @Field(() => ID, { nullable: true, description: "The message it answers." })
  replyTo?: string | null;

  @Field(() => ID, { nullable: true, description: "The message it passes on." })
  forwardOf?: string | null;
}

@InputType({ description: "Which draft to throw away." })
export class DiscardDraftInput {
  @Field(() => ID, { description: "The draft." })
  draftId!: string;
}

@InputType({ description: "Which messages to mark as read." })
export class MarkReadInput {
  @Field(() => [ID], { description: about.messageIds })
  messageIds!: string[];
}

@InputType({ description: "Which messages to mark as unread." })
export class MarkUnreadInput extends MarkReadInput {}

@InputType({ description: "Which messages to flag." })
export class FlagInput extends MarkReadInput {}

@InputType({ description: "Which messages to take the flag off." })
export class UnflagInput extends MarkReadInput {}

@InputType({ description: "Which messages to delete for good." })
export class DeleteMessagesInput extends MarkReadInput {}

@InputType({ description: "Which messages to move, and where." })
export class MoveToFolderInput extends MarkReadInput {
  @Field(() => Folder, { description: "Where to. SENT takes only what was sent from its mailbox." })
  folder!: Folder;
}
