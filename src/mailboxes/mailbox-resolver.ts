import { Arg, Ctx as Context, FieldResolver, ID, ObjectType, Query, Resolver } from "type-graphql";
import { Account, accountByKey } from "../accounts/account.ts";
import { type Ctx, signedIn, signedInAtLeast } from "../context.ts";
import { decodeId } from "../graphql/node-id.ts";
import { notFound } from "../problem.ts";
import { findHeldMailbox, heldMailboxes } from "./mailbox-queries.ts";
import { Mailbox } from "./mailbox.ts";

@ObjectType("Viewer", { description: "Whoever is signed in, and where they can read." })
class ViewerType {}

@Resolver(() => ViewerType)
export class ViewerResolver {
  @Query(() => ViewerType, { nullable: true, description: "Whoever is signed in; null when nobody is." })
  viewer(@Context() ctx: Ctx): ViewerType | null {
    return ctx.viewer && new ViewerType();
  }

  @FieldResolver(() => Account, { description: "Who it is." })
  async account(@Context() ctx: Ctx): Promise<Account> {
    return (await accountByKey.load(ctx, signedInAtLeast(ctx).viewer.accountId)) ?? notFound();
  }

  @FieldResolver(() => [Mailbox], { description: "The mailboxes they hold: their own first, then their teams'." })
  async mailboxes(@Context() ctx: Ctx): Promise<Mailbox[]> {
    return heldMailboxes(signedIn(ctx));
  }
}

@Resolver(() => Mailbox)
export class MailboxResolver {
  @Query(() => Mailbox, { nullable: true, description: "One of the viewer's mailboxes. Any other id is NOT_FOUND." })
  async mailbox(@Context() ctx: Ctx, @Arg("id", () => ID, { description: "Its id." }) id: string): Promise<Mailbox> {
    return (await findHeldMailbox(signedIn(ctx), decodeId("Mailbox", id))) ?? notFound("id");
  }
}
