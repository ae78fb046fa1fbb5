import { Field, Int, ObjectType, registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import { encodeCursor } from "../graphql/connection.ts";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import type { DataKey } from "../vault/seal.ts";
import { HolderRole } from "./mailbox-holder.ts";

/** What kind of address a mailbox is. */
export enum MailboxKind {
  PERSON = "PERSON",
  TEAM = "TEAM",
}

registerEnumType(MailboxKind, {
  name: "MailboxKind",
  description: "What kind of address a mailbox is.",
  valuesConfig: {
    PERSON: { description: "One person's own." },
    TEAM: { description: "A team's, read and answered by several employees." },
  },
});

/** An address that can receive, held by one or more accounts; or by none yet, waiting for its owner. */
@Entity("mailboxes")
@ObjectType({ implements: Node, simpleResolvers: true, description: "An address that can receive secure messages, held by one or more accounts." })
export class Mailbox extends Node {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["Mailbox", this.uuid];
  }

  @Column("text")
  @Field(() => String, { description: "Its e-mail address, in lower case." })
  address!: string;

  @Column("text")
  @Field(() => MailboxKind, { description: "A person's or a team's." })
  kind!: MailboxKind;

  /** The sealed display name; null while nobody has said one. */
  @Column("bytea", { nullable: true })
  name!: Buffer | null;

  /** Opens the name. */
  directory!: DataKey;

  @Field(() => String, { description: "The name others see." })
  get displayName(): string {
    return nameOfMailbox(this.directory, this);
  }

  @Column("timestamptz", { name: "created_at" })
  createdAt!: Date;

  @Column("bigint", { name: "last_sequence" })
  lastSequence!: number;

  @Field(() => String, { description: "Where a subscription or `changes` starts, to miss nothing that happens after this answer." })
  get cursor(): string {
    return feedCursor(this.lastSequence);
  }

  @Column("integer", { name: "unread_count" })
  @Field(() => Int, { description: "Unread messages in its INBOX that have not expired." })
  unreadCount!: number;

  @Field(() => HolderRole, { description: "What the viewer may do in it." })
  role!: HolderRole;
}

/** The name of a mailbox, or its address where nobody has said one. */
export function nameOfMailbox(directory: DataKey, { uuid, name, address }: Pick<Mailbox, "uuid" | "name" | "address">): string {
  return name === null ? address : directory.open<string>({ id: uuid, field: "name" }, name);
}

/** The cursor of a place in a mailbox's feed. */
export function feedCursor(sequence: number): string {
  return encodeCursor("feed", sequence);
}
