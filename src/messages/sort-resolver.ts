import { Arg, Ctx as Context, Field, ID, Mutation, ObjectType, Resolver } from "type-graphql";
import { type Ctx, signedIn, type ViewerCtx } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeOwnedId, encodeId } from "../graphql/node-id.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { Mailbox } from "../mailboxes/mailbox.ts";
import { Copy } from "./copy.ts";
import { DeleteMessagesInput, FlagInput, MarkReadInput, MarkUnreadInput, MoveToFolderInput, UnflagInput } from "./message-input.ts";
import { deleteMessages, flag, markRead, markUnread, moveToFolder, unflag } from "./sort-messages.ts";

@ObjectType()
abstract class SortedPayload {
  @Field(() => [Copy], { description: "The messages as they stand now, each once, in the order given." })
  messages!: Copy[];

  @Field(() => [Mailbox], { description: "The mailboxes they lie in, with their new unread counts." })
  mailboxes!: Mailbox[];
}

@ObjectType({ description: "The messages are marked as read." })
class MarkReadPayload extends SortedPayload {}

@ObjectType({ description: "The messages are marked as unread." })
class MarkUnreadPayload extends SortedPayload {}

@ObjectType({ description: "The messages are flagged." })
class FlagPayload extends SortedPayload {}

@ObjectType({ description: "The flags are off." })
class UnflagPayload extends SortedPayload {}

@ObjectType({ description: "The messages are moved." })
class MoveToFolderPayload extends SortedPayload {}

@ObjectType({ description: "The messages are deleted for good." })
class DeleteMessagesPayload {
  @Field(() => [ID], { description: "The ids they had." })
  messageIds!: string[];

  @Field(() => [Mailbox], { description: "The mailboxes they lay in, with their new unread counts." })
  mailboxes!: Mailbox[];
}

const MarkReadResult = resultOf("MarkRead", MarkReadPayload);
const MarkUnreadResult = resultOf("MarkUnread", MarkUnreadPayload);
const FlagResult = resultOf("Flag", FlagPayload);
const UnflagResult = resultOf("Unflag", UnflagPayload);
const MoveToFolderResult = resultOf("MoveToFolder", MoveToFolderPayload);
const DeleteMessagesResult = resultOf("DeleteMessages", DeleteMessagesPayload);

@Resolver()
export class SortResolver {
  @Mutation(() => MarkReadResult, { description: "Marks up to 100 messages as read, all or nothing. Does not count as opening them." })
  async markRead(@Context() ctx: Ctx, @Arg("input", () => MarkReadInput, { description: "Which." }) input: MarkReadInput) {
    return orProblem(ctx, () => sorted(signedIn(ctx), new MarkReadPayload(), input, markRead));
  }

  @Mutation(() => MarkUnreadResult, { description: "Marks up to 100 messages as unread, all or nothing." })
  async markUnread(@Context() ctx: Ctx, @Arg("input", () => MarkUnreadInput, { description: "Which." }) input: MarkUnreadInput) {
    return orProblem(ctx, () => sorted(signedIn(ctx), new MarkUnreadPayload(), input, markUnread));
  }

  @Mutation(() => FlagResult, { description: "Puts a flag on up to 100 messages, all or nothing." })
  async flag(@Context() ctx: Ctx, @Arg("input", () => FlagInput, { description: "Which." }) input: FlagInput) {
    return orProblem(ctx, () => sorted(signedIn(ctx), new FlagPayload(), input, flag));
  }

  @Mutation(() => UnflagResult, { description: "Takes the flag off up to 100 messages, all or nothing." })
  async unflag(@Context() ctx: Ctx, @Arg("input", () => UnflagInput, { description: "Which." }) input: UnflagInput) {
    return orProblem(ctx, () => sorted(signedIn(ctx), new UnflagPayload(), input, unflag));
  }

  @Mutation(() => MoveToFolderResult, { description: "Moves up to 100 messages to a folder, all or nothing." })
  async moveToFolder(@Context() ctx: Ctx, @Arg("input", () => MoveToFolderInput, { description: "Which, and where." }) input: MoveToFolderInput) {
    return orProblem(ctx, () => sorted(signedIn(ctx), new MoveToFolderPayload(), input, (viewerCtx, ids) => moveToFolder(viewerCtx, ids, input.folder)));
  }

  @Mutation(() => DeleteMessagesResult, {
    description: "Deletes up to 100 messages from their mailboxes for good, all or nothing. Other people's copies stay theirs.",
  })
  async deleteMessages(@Context() ctx: Ctx, @Arg("input", () => DeleteMessagesInput, { description: "Which." }) input: DeleteMessagesInput) {
    return orProblem(ctx, async () => {
      const viewerCtx = signedIn(ctx);
      const copies = await deleteMessages(viewerCtx, idsOf(input));
      const messageIds = copies.map(({ mailboxId, uuid }) => encodeId("Message", mailboxId, uuid));
      return Object.assign(new DeleteMessagesPayload(), { messageIds, mailboxes: await mailboxesOf(viewerCtx, copies) });
    });
  }
}

async function sorted<P extends SortedPayload>(
  ctx: ViewerCtx,
  payload: P,
  input: MarkReadInput,
  operation: (ctx: ViewerCtx, ids: ReturnType<typeof idsOf>) => Promise<Copy[]>,
): Promise<P> {
  const messages = await operation(ctx, idsOf(input));
  return Object.assign(payload, { messages, mailboxes: await mailboxesOf(ctx, messages) });
}

function idsOf({ messageIds }: MarkReadInput) {
  return messageIds.map((id) => decodeOwnedId("Message", id, "messageIds"));
}

async function mailboxesOf(ctx: ViewerCtx, copies: readonly Copy[]): Promise<Mailbox[]> {
  const ids = [...new Set(copies.map(({ mailboxId }) => mailboxId))];
  const mailboxes = await Promise.all(ids.map((id) => findHeldMailbox(ctx, id)));
  return mailboxes.filter((mailbox) => mailbox !== undefined);
}
