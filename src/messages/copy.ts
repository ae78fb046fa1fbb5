import { setImmediate } from "node:timers/promises";
import { Field, Int, ObjectType, registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import type { Opener } from "../vault/seal.ts";
import { Priority, priorities } from "./message.ts";
import { Thread } from "./thread.ts";

/** Where a copy lies in its mailbox. */
export enum Folder {
  INBOX = "INBOX",
  SENT = "SENT",
  ARCHIVE = "ARCHIVE",
  TRASH = "TRASH",
}

registerEnumType(Folder, {
  name: "Folder",
  description: "Where a message lies in its mailbox. Drafts are no messages yet and have a list of their own.",
  valuesConfig: {
    INBOX: { description: "What came in." },
    SENT: { description: "What was sent from this mailbox." },
    ARCHIVE: { description: "Put away." },
    TRASH: { description: "Thrown away; still readable until it expires or is deleted." },
  },
});

/** A person or a team, as others see them. */
@ObjectType({
  simpleResolvers: true,
  description: "A person or a team, as others see them. Always show the address beside the name: only the address is checked.",
})
export class Participant {
  @Field(() => String, { description: "The name." })
  displayName!: string;

  @Field(() => String, { description: "The e-mail address." })
  address!: string;
}

/** What is sealed about a copy: all the words of a list row. */
export interface CopyHeader {
  readonly subject: string;
  readonly preview: string;
  readonly from: Participant;
}

/** One mailbox's own record of a message. To the API this is the message: nobody sees more of it than their own copy. */
@Entity("copies")
@ObjectType("Message", {
  implements: Node,
  simpleResolvers: true,
  description: "A message as it stands in one of the viewer's mailboxes. Fetching its `body` opens it; every other field leaves it unopened.",
})
export class Copy extends Node {
  @PrimaryColumn("uuid", { name: "mailbox_id" })
  mailboxId!: string;

  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string, string] {
    return ["Message", this.mailboxId, this.uuid];
  }

  @Column("uuid", { name: "message_id" })
  messageId!: string;

  @Column("uuid", { name: "thread_id" })
  threadId!: string;

  @Column("uuid", { name: "from_mailbox_id" })
  fromMailboxId!: string;

  @Column("text")
  @Field(() => Folder, { description: "Where it lies." })
  folder!: Folder;

  @Column("smallint", { name: "priority" })
  priorityRank!: number;

  @Field(() => Priority, { description: "How urgent its sender says it is." })
  get priority(): Priority {
    return priorities[this.priorityRank] ?? Priority.NORMAL;
  }

  @Column("smallint", { name: "attachment_count" })
  @Field(() => Int, { description: "How many files it has." })
  attachmentCount!: number;

  @Column("timestamptz", { name: "opened_at", nullable: true })
  openedAt!: Date | null;

  @Column("timestamptz", { name: "read_at", nullable: true })
  readAt!: Date | null;

  @Column("timestamptz", { name: "flagged_at", nullable: true })
  flaggedAt!: Date | null;

  @Field(() => Boolean, { description: "Whether the viewer put a flag on it." })
  get isFlagged(): boolean {
    return this.flaggedAt !== null;
  }

  @Column("timestamptz", { name: "sent_at" })
  @Field(() => Date, { description: "When it was sent." })
  sentAt!: Date;

  @Column("timestamptz", { name: "expires_at" })
  @Field(() => Date, {
    description:
      "When it stops being readable: 180 days after it was sent, or later where a hold keeps it. From that instant it behaves as if it had never existed.",
  })
  expiresAt!: Date;

  /** Until when holds keep it from being deleted. */
  @Column("timestamptz", { name: "held_until", nullable: true })
  heldUntil!: Date | null;

  /** The sealed CopyHeader. */
  @Column("bytea")
  header!: Buffer;

  @Field(() => String, { description: "What it is about, on one line; may be empty." })
  get subject(): string {
    return this.words.subject;
  }

  @Field(() => String, { description: "Its first words, on one line, at most 140 characters." })
  get preview(): string {
    return this.words.preview;
  }

  @Field(() => Participant, { description: "Who sent it." })
  get from(): Participant {
    return this.words.from;
  }

  @Field(() => Thread, { description: "The conversation it belongs to." })
  get thread(): Thread {
    return Thread.of(this.mailboxId, this.threadId);
  }

  /** Whether the running query selects a body, so that it may open this copy. */
  mayBeOpened = false;
  /** Set by the one who opens it. */
  opening: Promise<void> | null = null;

  /**
   * A value that opening changes. Fields of one selection run side by side: where one of them may open the copy, the
   * others wait a turn of the event loop for it to begin, and then until it is done.
   */
  onceOpened<T>(value: (copy: this) => T): T | Promise<T> {
    if (!this.mayBeOpened) return value(this);
    return setImmediate()
      .then(() => this.opening)
      .then(() => value(this));
  }

  /** Has the key of its header. */
  opener!: Opener;
  #words: CopyHeader | undefined;

  private get words(): CopyHeader {
    return (this.#words ??= this.opener.open<CopyHeader>({ id: this.messageId, field: "header" }, this.header));
  }

  @Field(() => Boolean, { description: "Whether it counts as read: opened, or marked so." })
  get isRead(): boolean | Promise<boolean> {
    return this.onceOpened((copy) => copy.readAt !== null);
  }
}
