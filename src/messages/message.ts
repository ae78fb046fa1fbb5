import { registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import { after, DAY } from "../clock.ts";
import { RETENTION_DAYS } from "../limits.ts";

/** How urgent the sender says it is. */
export enum Priority {
  LOW = "LOW",
  NORMAL = "NORMAL",
  HIGH = "HIGH",
  URGENT = "URGENT",
}

registerEnumType(Priority, {
  name: "Priority",
  description: "How urgent the sender says a message is.",
  valuesConfig: {
    LOW: { description: "Can wait." },
    NORMAL: { description: "The default." },
    HIGH: { description: "Important." },
    URGENT: { description: "Needs an answer at once." },
  },
});

/** Priorities as the database keeps them: their place in this list. */
export const priorities: readonly Priority[] = [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT];

/** When a message sent at this instant stops being readable, unless a hold keeps it: not a moment later, for anybody. */
export function expiryOf(sentAt: Date): Date {
  return after(sentAt, RETENTION_DAYS * DAY);
}

/** What was sent: immutable, and the same for everybody who got it. Each mailbox sees it through its own Copy. */
@Entity("messages")
export class Message {
  @PrimaryColumn("uuid")
  id!: string;

  @Column("uuid", { name: "thread_id" })
  threadId!: string;

  /** The account that wrote it. */
  @Column("uuid", { name: "author_id" })
  authorId!: string;

  @Column("uuid", { name: "from_mailbox_id" })
  fromMailboxId!: string;

  @Column("uuid", { name: "on_behalf_of", nullable: true })
  onBehalfOf!: string | null;

  @Column("smallint")
  priority!: number;

  /** The message it answers. */
  @Column("uuid", { name: "in_reply_to", nullable: true })
  inReplyTo!: string | null;

  /** The message it passes on. */
  @Column("uuid", { name: "forwarded_from", nullable: true })
  forwardedFrom!: string | null;

  @Column("timestamptz", { name: "sent_at" })
  sentAt!: Date;

  @Column("timestamptz", { name: "expires_at" })
  expiresAt!: Date;

  /** The hold under whose key it is sealed; null where that is the key of its day. */
  @Column("uuid", { name: "held_by", nullable: true })
  heldBy!: string | null;

  /** The sealed MessageBody. */
  @Column("bytea")
  body!: Buffer;
}
