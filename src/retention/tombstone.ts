import { Field, ID, ObjectType, registerEnumType } from "type-graphql";
import { Participant } from "../messages/copy.ts";

/** Why a message is gone from a mailbox. */
export enum TombstoneReason {
  EXPIRED = "EXPIRED",
  HOLD_ENDED = "HOLD_ENDED",
  DELETED = "DELETED",
}

registerEnumType(TombstoneReason, {
  name: "TombstoneReason",
  description: "Why a message is gone from a mailbox.",
  valuesConfig: {
    EXPIRED: { description: "Its 180 days were over." },
    HOLD_ENDED: { description: "A hold had kept it beyond its 180 days, and was lifted or over." },
    DELETED: { description: "Somebody deleted it from this mailbox." },
  },
});

/** What remains of a message that is gone: with whom it was exchanged and when, nothing of what it said. */
@ObjectType({
  simpleResolvers: true,
  description: "What remains of a message that is gone from a mailbox: with whom it was exchanged and when, nothing of what it said.",
})
export class Tombstone {
  /** Its place in the mailbox's ledger. */
  sequence!: number;

  @Field(() => ID, { description: "The id the message had here." })
  messageId!: string;

  @Field(() => Participant, { description: "Who sent it; where it was sent from this mailbox, its first recipient." })
  counterpart!: Participant;

  @Field(() => Boolean, { description: "Whether it was sent from this mailbox; otherwise it was received." })
  wasSent!: boolean;

  @Field(() => Date, { description: "When it was sent." })
  sentAt!: Date;

  @Field(() => Date, {
    nullable: true,
    description: "When it was first opened: in this mailbox, or, where it was sent from here, by its first recipient. Null if it never was.",
  })
  openedAt!: Date | null;

  @Field(() => Date, { description: "When it went." })
  goneAt!: Date;

  @Field(() => TombstoneReason, { description: "Why it went." })
  reason!: TombstoneReason;
}
