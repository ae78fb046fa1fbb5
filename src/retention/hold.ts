import { Field, ID, ObjectType, registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import { encodeId, type NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";

/** Why staff keep a message. */
export enum HoldReason {
  APPEAL = "APPEAL",
  LEGAL = "LEGAL",
}

registerEnumType(HoldReason, {
  name: "HoldReason",
  description: "Why staff keep a message beyond its day.",
  valuesConfig: { APPEAL: { description: "An appeal or a complaint is open." }, LEGAL: { description: "It may be evidence." } },
});

/** Whether a hold still keeps anything. */
export enum HoldState {
  IN_FORCE = "IN_FORCE",
  ENDED = "ENDED",
}

registerEnumType(HoldState, {
  name: "HoldState",
  description: "Whether a hold still keeps anything.",
  valuesConfig: { IN_FORCE: { description: "It does." }, ENDED: { description: "It was lifted, or its time is over." } },
});

/** What keeps a message, or all messages of a thread, readable beyond their day and from being deleted. */
@Entity("holds")
@ObjectType({
  implements: Node,
  description: "Keeps a message, or all messages of a thread, readable beyond day 180 for those who have them, and from being deleted. Only staff see holds.",
})
export class Hold extends Node {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["Hold", this.uuid];
  }

  @Column("text")
  @Field(() => HoldReason, { description: "Why." })
  reason!: HoldReason;

  /** The mailbox in the id it was placed by. */
  @Column("uuid", { name: "mailbox_id" })
  mailboxId!: string;

  /** The copy in the id it was placed by; null on a thread. */
  @Column("uuid", { name: "copy_id", nullable: true })
  copyId!: string | null;

  /** The message it keeps; null on a thread. */
  @Column("uuid", { name: "message_id", nullable: true })
  messageId!: string | null;

  /** The thread whose messages it keeps, in every mailbox; null on a message. */
  @Column("uuid", { name: "thread_id", nullable: true })
  threadId!: string | null;

  @Field(() => ID, { description: "The message or thread it is on, by the id it was placed by." })
  get targetId(): string {
    return this.threadId === null ? encodeId("Message", this.mailboxId, this.copyId ?? "") : encodeId("Thread", this.mailboxId, this.threadId);
  }

  /** The sealed note; null once the hold has ended. */
  @Column("bytea", { nullable: true })
  note!: Buffer | null;

  @Column("uuid", { name: "placed_by" })
  placedById!: string;

  @Column("timestamptz", { name: "placed_at" })
  @Field(() => Date, { description: "When it was placed." })
  placedAt!: Date;

  @Column("timestamptz")
  @Field(() => Date, { description: "When it ends by itself." })
  until!: Date;

  @Column("timestamptz", { name: "ended_at", nullable: true })
  @Field(() => Date, { nullable: true, description: "When it was lifted or its time was over; null while it is in force." })
  endedAt!: Date | null;

  @Column("uuid", { name: "lifted_by", nullable: true })
  liftedById!: string | null;

  /** When the key was destroyed that had sealed what it kept. */
  @Column("timestamptz", { name: "key_destroyed_at", nullable: true })
  keyDestroyedAt!: Date | null;
}
