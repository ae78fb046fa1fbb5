import { Column, Entity, PrimaryColumn } from "typeorm";

/** Everything the ledger can say happened. `thing.happened`, named like the operation that records it. */
export type Action =
  | "session.started"
  | "session.ended"
  | "message.sent"
  | "message.received"
  | "message.opened"
  | "message.viewed"
  | "message.marked-read"
  | "message.marked-unread"
  | "message.flagged"
  | "message.unflagged"
  | "message.moved"
  | "message.deleted"
  | "message.expired"
  | "message.exported"
  | "delivery.opened"
  | "draft.saved"
  | "draft.discarded"
  | "draft.expired"
  | "attachment.uploaded"
  | "attachment.downloaded"
  | "attachment.released"
  | "export.requested"
  | "export.interrupted"
  | "export.ready"
  | "export.downloaded"
  | "export.expired"
  | "export.failed"
  | "key.destroyed"
  | "clock.advanced"
  | "request.refused";

/** The stream of events that belong to no mailbox: sign-ins, refusals, administration. */
export const ORGANISATION_STREAM = "00000000-0000-0000-0000-000000000000";

/** One row of the append-only ledger: audit and change feed in one. Holds ids and codes, never content. */
@Entity("events")
export class Event {
  /** Whose stream it is in; the mailbox's sequence numbers it without a gap, in the order of commits. */
  @PrimaryColumn("uuid", { name: "mailbox_id" })
  mailboxId!: string;

  @PrimaryColumn("bigint")
  sequence!: number;

  @Column("uuid")
  id!: string;

  @Column("timestamptz")
  at!: Date;

  @Column("text")
  action!: Action;

  /** The account that did it; null for the server itself. */
  @Column("uuid", { name: "actor_id", nullable: true })
  actorId!: string | null;

  /** What it was done to: a copy, a draft, an attachment, an export, a session. */
  @Column("uuid", { name: "subject_id", nullable: true })
  subjectId!: string | null;

  /** The message behind it, the same in every mailbox. */
  @Column("uuid", { name: "message_id", nullable: true })
  messageId!: string | null;

  /** Why a request was refused, which key was destroyed, or to which instant the clock was moved. */
  @Column("text", { nullable: true })
  code!: string | null;
}
