import { registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";

/** What an account may do in a mailbox. */
export enum HolderRole {
  OWNER = "OWNER",
  WRITER = "WRITER",
  READER = "READER",
}

registerEnumType(HolderRole, {
  name: "HolderRole",
  description: "What somebody may do in a mailbox.",
  valuesConfig: {
    OWNER: { description: "It is their own: everything." },
    WRITER: { description: "Read, write from it, and sort it." },
    READER: { description: "Read only." },
  },
});

/** An account's hold on a mailbox; over when `endsAt` has come. */
@Entity("mailbox_holders")
export class MailboxHolder {
  @PrimaryColumn("uuid", { name: "mailbox_id" })
  mailboxId!: string;

  @PrimaryColumn("uuid", { name: "account_id" })
  accountId!: string;

  @Column("text")
  role!: HolderRole;

  @Column("uuid", { name: "granted_by", nullable: true })
  grantedBy!: string | null;

  @Column("timestamptz", { name: "created_at" })
  createdAt!: Date;

  @Column("timestamptz", { name: "ends_at", nullable: true })
  endsAt!: Date | null;
}
