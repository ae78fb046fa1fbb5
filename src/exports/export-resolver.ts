import { Arg, Ctx as Context, Field, ID, InputType, Mutation, ObjectType, Query, Resolver, Root, Subscription } from "type-graphql";
import { type Ctx, signedIn, signedInAndConfirmed } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId, decodeOwnedId } from "../graphql/node-id.ts";
import { type SubscriptionCtx, untilReturned } from "../graphql/subscription.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { exportMessages } from "./export-messages.ts";
import { findOwnExport } from "./export-queries.ts";
import { Export } from "./export.ts";
import { followExport } from "./follow-export.ts";
import type { Wanted } from "./select-messages.ts";

@InputType({ description: "What to take along: exactly one of `messageIds`, `threadId` and `mailboxId`." })
class ExportMessagesInput {
  @Field(() => [ID], { nullable: true, description: "Some messages, at most 100." })
  messageIds?: string[] | null;

  @Field(() => ID, { nullable: true, description: "All messages of a thread." })
  threadId?: string | null;

  @Field(() => ID, { nullable: true, description: "All messages of a mailbox, in whatever folder." })
  mailboxId?: string | null;

  @Field(() => String, { nullable: true, description: "A random UUID, say: asking again with it gets the same export." })
  idempotencyKey?: string | null;
}

@ObjectType({ description: "The export is asked for. Follow it with `exportChanged`, or ask for it now and then." })
class ExportMessagesPayload {
  @Field(() => Export, { description: "The export, still to be made." })
  export!: Export;
}

const ExportMessagesResult = resultOf("ExportMessages", ExportMessagesPayload);

@Resolver()
export class ExportResolver {
  @Query(() => Export, { nullable: true, description: "One of the viewer's exports. Any other id is NOT_FOUND." })
  async export(@Context() ctx: Ctx, @Arg("id", () => ID, { description: "Its id." }) id: string): Promise<Export> {
    return findOwnExport(signedIn(ctx), decodeId("Export", id));
  }

  @Mutation(() => ExportMessagesResult, {
    description:
      "Makes a file of messages to take along, with their attachments. It opens them: they count as read, and each is recorded. Needs a recent proof of who asks (`confirmIdentity`).",
  })
  async exportMessages(@Context() ctx: Ctx, @Arg("input", () => ExportMessagesInput, { description: "What to take along." }) input: ExportMessagesInput) {
    return orProblem(ctx, async () => {
      const made = await exportMessages(await signedInAndConfirmed(ctx), { wanted: wantedBy(input), idempotencyKey: input.idempotencyKey ?? null });
      return Object.assign(new ExportMessagesPayload(), { export: made });
    });
  }

  @Subscription(() => Export, {
    description: "An export as it is now and whenever it gets further, until it is READY or FAILED; then the subscription completes.",
    subscribe: async ({ args, context: { fresh } }: { args: { id: string }; context: SubscriptionCtx }) => {
      const { uuid } = await findOwnExport(fresh(), decodeId("Export", args.id));
      return untilReturned((stop) => followExport(fresh, uuid, stop));
    },
  })
  exportChanged(@Root() changed: Export, @Arg("id", () => ID, { description: "One of the viewer's exports." }) _id: string): Export {
    return changed;
  }
}

function wantedBy({ messageIds, threadId, mailboxId }: ExportMessagesInput): Wanted {
  const wanted: Wanted[] = [];
  if (messageIds != null && messageIds.length > 0) wanted.push({ messageIds: messageIds.map((id) => decodeOwnedId("Message", id, "messageIds")) });
  if (threadId != null) wanted.push({ threadId: decodeOwnedId("Thread", threadId, "threadId") });
  if (mailboxId != null) wanted.push({ mailboxId: decodeId("Mailbox", mailboxId, "mailboxId") });
  const [only, ...others] = wanted;
  if (only === undefined || others.length > 0)
    refuse(ProblemCode.INVALID_INPUT, "Name what to export by exactly one of messageIds, threadId and mailboxId.", { field: "input" });
  return only;
}
