import { Arg, Ctx as Context, Field, Mutation, ObjectType, Resolver } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId, decodeOwnedId } from "../graphql/node-id.ts";
import { Copy } from "./copy.ts";
import { forwardMessage } from "./forward-message.ts";
import { ForwardMessageInput, ReplyToMessageInput, SendMessageInput, type WritingInput } from "./message-input.ts";
import { replyToMessage } from "./reply-to-message.ts";
import { sendMessage } from "./send-message.ts";

@ObjectType({ description: "The message is sent: it is in the recipients' mailboxes." })
class SendMessagePayload {
  @Field(() => Copy, { description: "The sender's own copy, in SENT." })
  message!: Copy;
}

@ObjectType({ description: "The reply is sent." })
class ReplyToMessagePayload {
  @Field(() => Copy, { description: "The sender's own copy, in SENT." })
  message!: Copy;
}

@ObjectType({ description: "The message is passed on." })
class ForwardMessagePayload {
  @Field(() => Copy, { description: "The sender's own copy, in SENT." })
  message!: Copy;
}

const SendMessageResult = resultOf("SendMessage", SendMessagePayload);
const ReplyToMessageResult = resultOf("ReplyToMessage", ReplyToMessagePayload);
const ForwardMessageResult = resultOf("ForwardMessage", ForwardMessagePayload);

@Resolver()
export class WriteResolver {
  @Mutation(() => SendMessageResult, { description: "Sends a new message." })
  async sendMessage(@Context() ctx: Ctx, @Arg("input", () => SendMessageInput, { description: "The message." }) input: SendMessageInput) {
    return orProblem(ctx, async () => {
      const message = await sendMessage(signedIn(ctx), {
        ...commonOf(input),
        mailboxId: decodeId("Mailbox", input.mailboxId, "mailboxId"),
        to: input.to,
        cc: input.cc ?? [],
        subject: input.subject ?? null,
        body: input.body,
      });
      return Object.assign(new SendMessagePayload(), { message });
    });
  }

  @Mutation(() => ReplyToMessageResult, { description: "Answers a message that was opened." })
  async replyToMessage(@Context() ctx: Ctx, @Arg("input", () => ReplyToMessageInput, { description: "The answer." }) input: ReplyToMessageInput) {
    return orProblem(ctx, async () => {
      const message = await replyToMessage(signedIn(ctx), {
        ...commonOf(input),
        messageId: decodeOwnedId("Message", input.messageId, "messageId"),
        body: input.body,
      });
      return Object.assign(new ReplyToMessagePayload(), { message });
    });
  }

  @Mutation(() => ForwardMessageResult, { description: "Passes a message on, with its files." })
  async forwardMessage(@Context() ctx: Ctx, @Arg("input", () => ForwardMessageInput, { description: "What, and whom to." }) input: ForwardMessageInput) {
    return orProblem(ctx, async () => {
      const viewerCtx = signedIn(ctx);
      const messageId = decodeOwnedId("Message", input.messageId, "messageId");
      const message = await forwardMessage(viewerCtx, { ...commonOf(input), messageId, to: input.to, body: input.body ?? null });
      return Object.assign(new ForwardMessagePayload(), { message });
    });
  }
}

/** What all three ways of writing share, with ids taken apart. */
function commonOf({ priority, attachmentIds, draftId, idempotencyKey }: WritingInput) {
  return {
    priority: priority ?? null,
    attachmentIds: (attachmentIds ?? []).map((id) => decodeId("Attachment", id, "attachmentIds")),
    draftId: draftId == null ? null : decodeOwnedId("Draft", draftId, "draftId").uuid,
    idempotencyKey,
  };
}
