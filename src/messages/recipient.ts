import { Field, ObjectType, registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";

/** In which line a recipient stands. */
export enum RecipientKind {
  TO = "TO",
  CC = "CC",
}

registerEnumType(RecipientKind, {
  name: "RecipientKind",
  description: "In which line a recipient stands.",
  valuesConfig: { TO: { description: "Addressed." }, CC: { description: "In copy." } },
});

/** How a message travels to a recipient. */
export enum DeliveryRoute {
  PORTAL = "PORTAL",
  TLS_LINE = "TLS_LINE",
}

registerEnumType(DeliveryRoute, {
  name: "DeliveryRoute",
  description: "How a message travels to a recipient.",
  valuesConfig: {
    PORTAL: { description: "Into their secure mailbox here." },
    TLS_LINE: { description: "Over verified TLS to their organisation's own mail relay." },
  },
});

/** What has become of one recipient's copy. */
export enum DeliveryStatus {
  SENT = "SENT",
  NOTIFIED = "NOTIFIED",
  DELIVERED = "DELIVERED",
  OPENED = "OPENED",
  EXPIRED = "EXPIRED",
  FAILED = "FAILED",
}

registerEnumType(DeliveryStatus, {
  name: "DeliveryStatus",
  description: "What has become of one recipient's copy.",
  valuesConfig: {
    SENT: { description: "Accepted and on its way." },
    NOTIFIED: { description: "A notice by ordinary e-mail says that it waits." },
    DELIVERED: { description: "In the recipient's secure mailbox, or taken over by their relay." },
    OPENED: { description: "The recipient has opened it." },
    EXPIRED: { description: "It expired before it was opened." },
    FAILED: { description: "It could not be delivered." },
  },
});

/** What a recipient may be due beside the first notice of a message. */
export type DueNoticeKind = "reminder" | "expiry-notice" | "digest";

/** What became of one recipient's copy, and how it travelled. */
@ObjectType({ description: "What became of one recipient's copy, and how it travelled." })
export class Delivery {
  @Field(() => DeliveryStatus, { description: "How far it has come." })
  status!: DeliveryStatus;

  @Field(() => DeliveryRoute, { description: "How it travelled." })
  route!: DeliveryRoute;

  @Field(() => Date, { description: "When it came so far." })
  updatedAt!: Date;
}

/** To whom a message is addressed. The row also keeps the delivery. */
@Entity("recipients")
@ObjectType({ description: "To whom a message is addressed." })
export class Recipient {
  @PrimaryColumn("uuid", { name: "message_id" })
  messageId!: string;

  @PrimaryColumn("integer")
  n!: number;

  @Column("text")
  @Field(() => RecipientKind, { description: "Addressed or in copy." })
  kind!: RecipientKind;

  @Column("text")
  @Field(() => String, { description: "The e-mail address." })
  address!: string;

  @Field(() => String, { description: "The name behind the address; the address itself where no name is known." })
  displayName!: string;

  @Column("uuid", { name: "mailbox_id" })
  mailboxId!: string;

  @Column("text")
  route!: DeliveryRoute;

  @Column("text")
  status!: DeliveryStatus;

  @Column("timestamptz", { name: "updated_at" })
  updatedAt!: Date;

  /** When this recipient is next to be told by ordinary mail; null while nothing is due. */
  @Column("timestamptz", { name: "notice_at", nullable: true })
  noticeAt!: Date | null;

  /** What they are then told; null for the first notice. */
  @Column("text", { name: "notice_kind", nullable: true })
  noticeKind!: DueNoticeKind | null;

  /** Which of its kind. */
  @Column("text", { name: "notice_occasion", nullable: true })
  noticeOccasion!: string | null;

  /** Whether it was loaded for the message's sender, who alone may know the delivery. */
  ownMessage = false;
}
