import { ObjectType } from "type-graphql";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";

/** Messages linked by reply and forward, as one mailbox has them. */
@ObjectType({ implements: Node, simpleResolvers: true, description: "Messages linked by reply and forward, as one of the viewer's mailboxes has them." })
export class Thread extends Node {
  mailboxId!: string;
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string, string] {
    return ["Thread", this.mailboxId, this.uuid];
  }

  /** The thread with this key in this mailbox. */
  static of(mailboxId: string, uuid: string): Thread {
    return Object.assign(new Thread(), { mailboxId, uuid });
  }
}
