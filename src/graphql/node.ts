import { Field, ID, InterfaceType } from "type-graphql";
import { encodeId, type NodeKind } from "./node-id.ts";

/** Anything that can be fetched again by its id alone (Relay's Global Object Identification). */
@InterfaceType({ description: "Anything that can be fetched again by its id alone, with `node` or `nodes`." })
export abstract class Node {
  @Field(() => ID, { description: "Opaque and stable. It is the viewer's own: the same message has another id in every mailbox." })
  get id(): string {
    return encodeId(...this.nodeKey);
  }

  /** Its kind and its UUIDs, the owning mailbox first. */
  protected abstract get nodeKey(): [kind: NodeKind, ...uuids: string[]];
}
