import { Arg, Args, Ctx as Context, FieldResolver, ID, Int, Query, Resolver, Root } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { type Connection, ConnectionArgs, connectionOf } from "../graphql/connection.ts";
import { decodeOwnedId } from "../graphql/node-id.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { Mailbox } from "../mailboxes/mailbox.ts";
import { notFound } from "../problem.ts";
import { Copy, Folder } from "./copy.ts";
import { folderPage, threadPage } from "./copy-queries.ts";
import { draftPage } from "./draft-queries.ts";
import { Draft } from "./draft.ts";
import { MailboxEvent } from "./mailbox-event.ts";
import { changesPage } from "./mailbox-feed.ts";
import { MessageFilter } from "./message-filter.ts";
import { Thread } from "./thread.ts";

const MessageConnection = connectionOf("Message", () => Copy, "messages");
const DraftConnection = connectionOf("Draft", () => Draft, "drafts");
const MailboxEventConnection = connectionOf("MailboxEvent", () => MailboxEvent, "changes in a mailbox");

/** What messages add to a mailbox. */
@Resolver(() => Mailbox)
export class MailboxMessagesResolver {
  @FieldResolver(() => MessageConnection, { description: "The messages of one folder, newest first." })
  async messages(
    @Context() ctx: Ctx,
    @Root() mailbox: Mailbox,
    @Args(() => ConnectionArgs) page: ConnectionArgs,
    @Arg("folder", () => Folder, { defaultValue: Folder.INBOX, description: "Which folder." }) folder: Folder,
    @Arg("filter", () => MessageFilter, { nullable: true, description: "Which of them; all if left out." }) filter?: MessageFilter | null,
  ): Promise<Connection<Copy>> {
    return folderPage(signedIn(ctx), mailbox, folder, filter, page);
  }

  @FieldResolver(() => DraftConnection, { description: "The drafts, last saved first." })
  async drafts(@Context() ctx: Ctx, @Root() mailbox: Mailbox, @Args(() => ConnectionArgs) page: ConnectionArgs): Promise<Connection<Draft>> {
    return draftPage(signedIn(ctx), mailbox, page);
  }

  @FieldResolver(() => MailboxEventConnection, {
    description:
      "What changed after a cursor, oldest first: the feed of `mailboxChanged` for apps that sync by asking. `endCursor` is always there, to go on from.",
  })
  async changes(
    @Context() ctx: Ctx,
    @Root() mailbox: Mailbox,
    @Arg("after", () => String, { description: "A mailbox's `cursor`, an event's, or a page's `endCursor`." }) after: string,
    @Arg("first", () => Int, { defaultValue: 25, description: "How many at most: 1 to 100." }) first: number,
  ): Promise<Connection<MailboxEvent>> {
    return changesPage(signedIn(ctx), mailbox, after, first);
  }
}

@Resolver(() => Thread)
export class ThreadResolver {
  @Query(() => Thread, { nullable: true, description: "One of the viewer's threads. Any other id is NOT_FOUND." })
  async thread(@Context() ctx: Ctx, @Arg("id", () => ID, { description: "Its id." }) id: string): Promise<Thread> {
    return findOwnThread(ctx, id);
  }

  @FieldResolver(() => MessageConnection, { description: "Its messages in this mailbox, oldest first, whatever folder they lie in." })
  async messages(@Context() ctx: Ctx, @Root() thread: Thread, @Args(() => ConnectionArgs) page: ConnectionArgs): Promise<Connection<Copy>> {
    return threadPage(signedIn(ctx), thread, page);
  }
}

/** A thread of which a mailbox the viewer holds has at least one live message; anything else is NOT_FOUND. */
export async function findOwnThread(ctx: Ctx, id: string): Promise<Thread> {
  const viewerCtx = signedIn(ctx);
  const { mailboxId, uuid } = decodeOwnedId("Thread", id);
  const mailbox = await findHeldMailbox(viewerCtx, mailboxId);
  const thread = Thread.of(mailboxId, uuid);
  const { edges } = mailbox ? await threadPage(viewerCtx, thread, { first: 1 }) : { edges: [] };
  return edges.length > 0 ? thread : notFound("id");
}
