import { Arg, ID, Resolver, Root, Subscription } from "type-graphql";
import { type SubscriptionCtx, untilReturned } from "../graphql/subscription.ts";
import { decodeId } from "../graphql/node-id.ts";
import { Copy } from "./copy.ts";
import type { MessageReceived } from "./mailbox-event.ts";
import { MailboxEvent } from "./mailbox-event.ts";
import { followMailbox, isIncoming, startOfFollowing } from "./mailbox-feed.ts";

/** What a subscription is asked for; `after` only where it takes one. */
interface FollowArgs {
  mailboxId: string;
  after?: string | null;
}

@Resolver()
export class LiveResolver {
  @Subscription(() => MailboxEvent, {
    description: "Everything that changes in a mailbox, in order, without a gap or a double. With `after` it first replays what was missed.",
    subscribe: ({ args, context }: { args: FollowArgs; context: SubscriptionCtx }) => follow(args, context),
  })
  mailboxChanged(
    @Root() event: MailboxEvent,
    @Arg("mailboxId", () => ID, { description: "One of the viewer's mailboxes." }) _mailboxId: string,
    @Arg("after", () => String, { nullable: true, description: "The last cursor seen; from now on if left out." }) _after?: string | null,
  ): MailboxEvent {
    return event;
  }

  @Subscription(() => Copy, {
    description: "Each message that comes into a mailbox's INBOX from now on. For more, or to miss nothing between two connections, use `mailboxChanged`.",
    subscribe: ({ args, context }: { args: FollowArgs; context: SubscriptionCtx }) => follow(args, context, isIncoming),
  })
  messageReceived(@Root() event: MessageReceived, @Arg("mailboxId", () => ID, { description: "One of the viewer's mailboxes." }) _mailboxId: string): Copy {
    return event.message;
  }
}

async function follow(
  { mailboxId, after }: FollowArgs,
  { fresh }: SubscriptionCtx,
  wanted: (event: MailboxEvent) => boolean = () => true,
): Promise<AsyncIterableIterator<MailboxEvent>> {
  const id = decodeId("Mailbox", mailboxId, "mailboxId");
  const start = await startOfFollowing(fresh(), id, after ?? null);
  return untilReturned(async function* (stop) {
    for await (const event of followMailbox(fresh, id, start, stop)) if (wanted(event)) yield event;
  });
}
