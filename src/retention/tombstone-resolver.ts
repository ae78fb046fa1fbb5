import { Args, Ctx as Context, FieldResolver, Resolver, Root } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { type Connection, ConnectionArgs, connectionOf } from "../graphql/connection.ts";
import { Mailbox } from "../mailboxes/mailbox.ts";
import { tombstonePage } from "./tombstone-queries.ts";
import { Tombstone } from "./tombstone.ts";

const TombstoneConnection = connectionOf("Tombstone", () => Tombstone, "messages that are gone");

/** What retention adds to a mailbox. */
@Resolver(() => Mailbox)
export class TombstoneResolver {
  @FieldResolver(() => TombstoneConnection, { description: "What remains of messages that expired or were deleted here, last gone first." })
  async tombstones(@Context() ctx: Ctx, @Root() mailbox: Mailbox, @Args(() => ConnectionArgs) page: ConnectionArgs): Promise<Connection<Tombstone>> {
    return tombstonePage(signedIn(ctx), mailbox, page);
  }
}
