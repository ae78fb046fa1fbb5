import { Arg, Ctx as Context, ID, Query, Resolver } from "type-graphql";
import { liveAccessTokens } from "./accounts/access-token-queries.ts";
import { accountByKey } from "./accounts/account.ts";
import { liveDevices } from "./accounts/device-queries.ts";
import { liveSessions } from "./accounts/session-queries.ts";
import { readableAttachment } from "./attachments/attachment-queries.ts";
import { type Ctx, signedIn, type ViewerCtx } from "./context.ts";
import { findOwnExport } from "./exports/export-queries.ts";
import { findOwnPasskey } from "./factors/factor-queries.ts";
import { decodeAnyId, encodeId, type NodeKind } from "./graphql/node-id.ts";
import { Node } from "./graphql/node.ts";
import { findHeldMailbox } from "./mailboxes/mailbox-queries.ts";
import { findOwnCopy } from "./messages/copy-queries.ts";
import { findOwnDraft } from "./messages/draft-queries.ts";
import { findOwnThread } from "./messages/mailbox-messages-resolver.ts";
import { notFound, withinLimit } from "./problem.ts";
import { findHold } from "./retention/hold-queries.ts";

/** How each kind of node is found again, always through the viewer; undefined or a refusal for what is not theirs. */
const finders: Record<NodeKind, (ctx: ViewerCtx, owner: string, uuid: string) => Promise<Node | undefined>> = {
  Account: async (ctx, uuid) => (uuid === ctx.viewer.accountId || ctx.viewer.isAdministrator ? accountByKey.load(ctx, uuid) : undefined),
  Session: async (ctx, uuid) => (await liveSessions(ctx)).find((session) => session.uuid === uuid),
  Mailbox: findHeldMailbox,
  Message: (ctx, mailboxId, uuid) => findOwnCopy(ctx, { mailboxId, uuid }),
  Thread: (ctx, mailboxId, uuid) => findOwnThread(ctx, encodeId("Thread", mailboxId, uuid)),
  Draft: (ctx, mailboxId, uuid) => findOwnDraft(ctx, { mailboxId, uuid }),
  Attachment: async (ctx, uuid) => (await readableAttachment.load(ctx, uuid))?.attachment,
  Export: (ctx, uuid) => findOwnExport(ctx, uuid),
  Hold: findHold,
  Device: async (ctx, uuid) => (await liveDevices(ctx)).find((device) => device.uuid === uuid),
  Passkey: (ctx, uuid) => findOwnPasskey(ctx, uuid),
  AccessToken: async (ctx, uuid) => (await liveAccessTokens(ctx)).find((token) => token.uuid === uuid),
};

@Resolver()
export class NodeResolver {
  @Query(() => Node, { nullable: true, description: "Anything of the viewer's, by its id. Any other id is NOT_FOUND." })
  async node(@Context() ctx: Ctx, @Arg("id", () => ID, { description: "Its id." }) id: string): Promise<Node> {
    return findNode(signedIn(ctx), id);
  }

  @Query(() => [Node], {
    nullable: "items",
    description: "Several things of the viewer's, in the order of their ids, at most 100; null with a NOT_FOUND error for each other id.",
  })
  nodes(@Context() ctx: Ctx, @Arg("ids", () => [ID], { description: "Their ids." }) ids: string[]): Promise<Node>[] {
    const viewerCtx = signedIn(ctx);
    withinLimit(ids.length, ctx.config.limits.maxIds, "ids", "Nodes at once");
    return ids.map((id) => findNode(viewerCtx, id));
  }
}

async function findNode(ctx: ViewerCtx, id: string): Promise<Node> {
  const { kind, uuids: [owner, uuid] = [] } = decodeAnyId(id) ?? {};
  if (kind === undefined || owner === undefined) notFound("id");
  return (await finders[kind](ctx, owner, uuid ?? owner)) ?? notFound("id");
}
