import { Column, Entity, PrimaryColumn } from "typeorm";

/**
 * Everything the ledger can say happened, and what that means. `thing.happened`, named like the operation that records it.
 * What stands here stays: the rows of six years name it.
 */
export const actions = {
  "session.started": "Somebody signed in; `code` says by what means.",
  "device.added": "Somebody signed in on a device on which the account had not signed in before, and was written to.",
  "device.revoked": "A device was revoked by its owner; it is not known any more.",
  "sign-in.throttled": "Sign-ins have to wait because too many failed; `code` says what they were counted by. Once in 15 minutes.",
  "sign-in-code.requested": "Somebody asked for a code to sign in with; the subject is the account that was written to, none if nobody was.",
  "validation.requested": "Somebody asked for a code by mail; `code` says what for. Whether it went anywhere, `validation.mailed` says.",
  "validation.mailed": "A code was mailed; `code` says what for.",
  "address.validated": "Somebody proved that they read an address that a notice went to.",
  "address.attached": "A validated address was attached to an account, with its mailbox.",
  "account.enrolled": "Somebody made themselves an account, with an address that a notice went to.",
  "account.updated": "Somebody changed what their account says about them.",
  "account.password-changed": "Somebody changed their password; all other sessions ended.",
  "account.password-reset": "Somebody set a new password by a code that was mailed; all sessions ended.",
  "account.address-changed": "The address of an account changed.",
  "account.closed": "Somebody closed their account.",
  "session.ended": "A session was ended by its owner, or for the reason that `code` names.",
  "account.created": "An account was made; `code` says by what means.",
  "account.kind-kept": "The last administrator lost their group at the identity provider and stayed one, since nobody could administer otherwise.",
  "identity.linked": "An identity at the organisation's identity provider was bound to an account; `code` says by which protocol.",
  "sign-in.refused": "The identity provider vouched for somebody who may not enter; `code` says why.",
  "session.confirmed": "Whoever uses a session proved again who they are; `code` says by what means.",
  "factor.added": "Somebody added a second factor or had new recovery codes made; `code` says which.",
  "factor.removed": "Somebody removed a second factor; `code` says which.",
  "factor.used": "A second factor was given and was right; `code` says which.",
  "factor.suspected": "A passkey was refused because its counter went back, as that of a copy would.",
  "access-token.created": "Somebody made an access token; `code` names its scopes.",
  "access-token.revoked": "An access token was ended by its owner.",
  "invitation.sent": "An account was made and its owner invited, or invited again; `code` says as what.",
  "invitation.accepted": "Somebody took up an invitation and chose user ID and password.",
  "invitation.revoked": "An invitation was taken back, and an account that nobody had been in removed.",
  "account.disabled": "An administrator shut somebody out; `code` says why.",
  "account.enabled": "An administrator let somebody in again.",
  "account.kind-changed": "What an account is to the organisation changed; `code` says to what.",
  "account.reset": "The operator reset an administrator who could not get in.",
  "team.created": "An administrator opened a team's mailbox.",
  "team.member-added": "An administrator let somebody into a team's mailbox; `code` says which, and as what.",
  "team.member-removed": "An administrator took somebody out of a team's mailbox; `code` says which.",
  "people.viewed": "An administrator looked at a page of people or teams.",
  "employees.imported": "An administrator imported employees; `code` says how many of how many rows were new.",
  "message.sent": "A message was sent from this mailbox.",
  "message.received": "A message came into this mailbox.",
  "message.opened": "A message was opened for the first time in this mailbox.",
  "message.viewed": "The body of a message was fetched again.",
  "message.marked-read": "A message was marked read.",
  "message.marked-unread": "A message was marked unread.",
  "message.flagged": "A message was flagged.",
  "message.unflagged": "A flag was taken off a message.",
  "message.moved": "A message was moved to another folder.",
  "message.deleted": "A message was deleted from this mailbox.",
  "message.expired": "A message expired and was deleted.",
  "message.expiring": "A warning that a message expires soon; `code` says within how many days.",
  "message.held": "A hold keeps a message, or keeps it longer; `code` says why.",
  "message.released": "No hold keeps a message any more.",
  "message.exported": "A message was handed over in an export.",
  "notice.queued": "Somebody is told by ordinary mail of what waits in this mailbox; `code` says why.",
  "notice.reported": "Somebody reported mail that they take for a forgery of ours.",
  "notice.reports-viewed": "An administrator looked at reports of suspected notices.",
  "notice.preferences-updated": "Somebody chose how they want to be told of messages.",
  "delivery.notified": "A recipient was told by ordinary mail of a message that was sent from this mailbox.",
  "delivery.failed": "A recipient of a message that was sent from this mailbox cannot be told of it by ordinary mail.",
  "delivery.opened": "A recipient opened a message that was sent from this mailbox.",
  "draft.saved": "A draft was saved.",
  "draft.discarded": "A draft was discarded.",
  "draft.expired": "A draft expired and was deleted.",
  "attachment.uploaded": "A file was uploaded.",
  "attachment.scanning": "A file is being checked for malware.",
  "attachment.cleared": "No malware was found in a file.",
  "attachment.rejected": "Malware was found in a file; `code` names it.",
  "attachment.held": "A file is held because the scanner gave no verdict.",
  "attachment.downloaded": "A file was downloaded.",
  "attachment.released": "A file is on no draft and no message any more; its bytes are removed.",
  "hold.placed": "Somebody placed a hold; `code` says why.",
  "hold.lifted": "Somebody lifted a hold.",
  "hold.ended": "The time of a hold was over.",
  "export.requested": "Somebody asked for an export of messages.",
  "export.interrupted": "An attempt to make an export came to nothing; it begins anew.",
  "export.ready": "An export is ready to be downloaded.",
  "export.downloaded": "An export was downloaded.",
  "export.expired": "The link of an export expired, and its file is removed.",
  "export.failed": "An export could not be made; `code` says why.",
  "key.destroyed": "A key was destroyed, and with it whatever it had sealed.",
  "clock.advanced": "An administrator moved the clock of a sandbox forward.",
  "request.refused": "A mutation was refused; `code` says why.",
  "audit.viewed": "An administrator looked at a page of the ledger.",
  "audit.exported": "An administrator exported events of the ledger.",
  "audit.pruned": "The operator removed events older than six years.",
} as const;

/** One of the things the ledger can say happened. */
export type Action = keyof typeof actions;

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

  /** What it was done to: a copy, a draft, an attachment, a hold, an export, a session, a notice. */
  @Column("uuid", { name: "subject_id", nullable: true })
  subjectId!: string | null;

  /** The message behind it, the same in every mailbox. */
  @Column("uuid", { name: "message_id", nullable: true })
  messageId!: string | null;

  /** Why a request was refused, a hold was placed or a copy went; which key was destroyed; how many days before its expiry a warning came; where the clock was moved to; which malware was found; of what a notice tells. */
  @Column("text", { nullable: true })
  code!: string | null;

  /** Of a copy that went: the mailbox it came from, or where it was addressed to first. Such an event is a tombstone. */
  @Column("uuid", { name: "counterpart_id", nullable: true })
  counterpartId!: string | null;

  /** Of a copy that went: whether it was sent from its mailbox. */
  @Column("boolean", { name: "was_sent", nullable: true })
  wasSent!: boolean | null;

  /** Of a copy that went: when its reader had first opened it, here or, where it was sent, at the counterpart's. */
  @Column("timestamptz", { name: "opened_at", nullable: true })
  openedAt!: Date | null;
}
