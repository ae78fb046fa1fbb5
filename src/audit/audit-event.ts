import { Field, ID, InputType, Int, ObjectType, registerEnumType } from "type-graphql";
import { connectionOf } from "../graphql/connection.ts";
import { encodeId } from "../graphql/node-id.ts";
import { type Action, actions, ORGANISATION_STREAM } from "../ledger/event.ts";

/** How GraphQL names an action of the ledger. */
export const nameOf = (action: string): string => action.toUpperCase().replace(/\W/g, "_");

/** The ledger's actions by the names that GraphQL allows: `message.sent` is MESSAGE_SENT. */
export const AuditAction: Readonly<Record<string, Action>> = Object.fromEntries(
  Object.keys(actions)
    .filter(isAction)
    .map((action) => [nameOf(action), action]),
);

registerEnumType(AuditAction, {
  name: "AuditAction",
  description: "What can happen, as the ledger names it.",
  valuesConfig: Object.fromEntries(Object.entries(actions).map(([action, description]) => [nameOf(action), { description }])),
});

/** Whether this version of the server knows an action. */
export function isAction(action: string): action is Action {
  return action in actions;
}

/** An event as administrators see it. */
@ObjectType({ description: "Something that happened, as the ledger keeps it for six years: ids and codes, never content." })
export class AuditEvent {
  @Field(() => ID, { description: "The event's own id, the same wherever it is exported." })
  id!: string;

  @Field(() => Date, { description: "When it happened." })
  at!: Date;

  /** As it stands in the row, known or not. */
  action!: string;

  actorId!: string | null;
  /** The user ID of the actor. */
  actorUserId!: string | null;

  mailboxKey!: string;

  @Field(() => String, { nullable: true, description: "The address of the mailbox it happened in; null in the organisation's own stream." })
  mailboxAddress!: string | null;

  @Field(() => Int, { description: "Its place in that mailbox's or the organisation's stream, from 1 without a gap." })
  sequence!: number;

  @Field(() => ID, { nullable: true, description: "The key of what it was done to: a message in this mailbox, a draft, a file, a session." })
  subjectId!: string | null;

  @Field(() => ID, { nullable: true, description: "The key of the message behind it, the same in every mailbox." })
  messageId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: "A code that says more: why a request was refused, which key was destroyed, how many days a warning is ahead.",
  })
  code!: string | null;

  @Field(() => ID, { nullable: true, description: "Of a message that went: the mailbox at its other end." })
  get counterpartId(): string | null {
    return this.counterpartKey && encodeId("Mailbox", this.counterpartKey);
  }

  counterpartKey!: string | null;

  @Field(() => Boolean, { nullable: true, description: "Of a message that went: whether it was sent from this mailbox; otherwise it was received." })
  wasSent!: boolean | null;

  @Field(() => Date, { nullable: true, description: "Of a message that went: when its reader first opened it; null if they never did." })
  openedAt!: Date | null;

  @Field(() => Int, { nullable: true, description: "The number of the seal that proves it; null until the next one is made, within a minute or so." })
  sealedBy!: number | null;

  @Field(() => ID, { nullable: true, description: "The id of that mailbox; null in the organisation's own stream." })
  get mailboxId(): string | null {
    return this.mailboxKey === ORGANISATION_STREAM ? null : encodeId("Mailbox", this.mailboxKey);
  }
}

/** A page of events. */
export const AuditEventConnection = connectionOf("AuditEvent", () => AuditEvent, "events of the ledger");

/** Which events to show. */
@InputType({ description: "Which events to show; all conditions hold together." })
export class AuditFilter {
  @Field(() => ID, { nullable: true, description: "Done by this account." })
  actorId?: string | null;

  @Field(() => ID, { nullable: true, description: "In this mailbox." })
  mailboxId?: string | null;

  @Field(() => AuditAction, { nullable: true, description: "Of this kind." })
  action?: Action | null;

  @Field(() => Date, { nullable: true, description: "At this instant or later." })
  since?: Date | null;

  @Field(() => Date, { nullable: true, description: "Before this instant." })
  until?: Date | null;
}
