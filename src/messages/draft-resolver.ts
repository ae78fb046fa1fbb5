import { Arg, Ctx as Context, Field, FieldResolver, ID, Mutation, ObjectType, Query, Resolver, Root } from "type-graphql";
import { attachmentsOfDraft } from "../attachments/attachment-queries.ts";
import { Attachment } from "../attachments/attachment.ts";
import { type Ctx, signedIn } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId, decodeOwnedId } from "../graphql/node-id.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { Mailbox } from "../mailboxes/mailbox.ts";
import { notFound } from "../problem.ts";
import { Copy } from "./copy.ts";
import { ownCopyById } from "./copy-queries.ts";
import { discardDraft } from "./discard-draft.ts";
import { findOwnDraft } from "./draft-queries.ts";
import { Draft } from "./draft.ts";
import { DiscardDraftInput, SaveDraftInput } from "./message-input.ts";
import { saveDraft } from "./save-draft.ts";

@ObjectType({ description: "The draft is saved." })
class SaveDraftPayload {
  @Field(() => Draft, { description: "The draft as it stands now." })
  draft!: Draft;
}

@ObjectType({ description: "The draft is gone, with its files." })
class DiscardDraftPayload {
  @Field(() => ID, { description: "The id it had." })
  draftId!: string;
}

const SaveDraftResult = resultOf("SaveDraft", SaveDraftPayload);
const DiscardDraftResult = resultOf("DiscardDraft", DiscardDraftPayload);

@Resolver(() => Draft)
export class DraftResolver {
  @Query(() => Draft, { nullable: true, description: "A draft in one of the viewer's mailboxes. Any other id is NOT_FOUND." })
  async draft(@Context() ctx: Ctx, @Arg("id", () => ID, { description: "Its id." }) id: string): Promise<Draft> {
    return findOwnDraft(signedIn(ctx), decodeOwnedId("Draft", id));
  }

  @Mutation(() => SaveDraftResult, { description: "Saves a draft whole. Addresses are kept as typed and checked when it is sent." })
  async saveDraft(@Context() ctx: Ctx, @Arg("input", () => SaveDraftInput, { description: "What it shall hold." }) input: SaveDraftInput) {
    return orProblem(ctx, async () => {
      const draft = await saveDraft(signedIn(ctx), {
        draftId: input.draftId == null ? null : decodeOwnedId("Draft", input.draftId, "draftId"),
        mailboxId: decodeId("Mailbox", input.mailboxId, "mailboxId"),
        to: input.to ?? [],
        cc: input.cc ?? [],
        subject: input.subject ?? null,
        body: input.body ?? null,
        priority: input.priority ?? null,
        attachmentIds: (input.attachmentIds ?? []).map((id) => decodeId("Attachment", id, "attachmentIds")),
        replyTo: input.replyTo == null ? null : decodeOwnedId("Message", input.replyTo, "replyTo"),
        forwardOf: input.forwardOf == null ? null : decodeOwnedId("Message", input.forwardOf, "forwardOf"),
      });
      return Object.assign(new SaveDraftPayload(), { draft });
    });
  }

  @Mutation(() => DiscardDraftResult, { description: "Throws a draft away, with its files." })
  async discardDraft(@Context() ctx: Ctx, @Arg("input", () => DiscardDraftInput, { description: "Which." }) input: DiscardDraftInput) {
    return orProblem(ctx, async () => {
      await discardDraft(signedIn(ctx), decodeOwnedId("Draft", input.draftId, "draftId"));
      return Object.assign(new DiscardDraftPayload(), { draftId: input.draftId });
    });
  }

  @FieldResolver(() => Mailbox, { description: "The mailbox it will be sent from." })
  async mailbox(@Context() ctx: Ctx, @Root() draft: Draft): Promise<Mailbox> {
    return (await findHeldMailbox(signedIn(ctx), draft.mailboxId)) ?? notFound();
  }

  @FieldResolver(() => [Attachment], { description: "Its files, in order." })
  async attachments(@Context() ctx: Ctx, @Root() draft: Draft): Promise<Attachment[]> {
    return attachmentsOfDraft.load(ctx, draft.uuid);
  }

  @FieldResolver(() => Copy, { nullable: true, description: "The message it answers." })
  async replyTo(@Context() ctx: Ctx, @Root() { mailboxId, replyToId }: Draft): Promise<Copy | undefined> {
    return replyToId === null ? undefined : ownCopyById.load(ctx, { mailboxId, uuid: replyToId });
  }

  @FieldResolver(() => Copy, { nullable: true, description: "The message it passes on." })
  async forwardOf(@Context() ctx: Ctx, @Root() { mailboxId, forwardOfId }: Draft): Promise<Copy | undefined> {
    return forwardOfId === null ? undefined : ownCopyById.load(ctx, { mailboxId, uuid: forwardOfId });
  }
}
