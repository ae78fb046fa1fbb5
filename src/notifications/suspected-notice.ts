import { Field, ID, ObjectType } from "type-graphql";
import { connectionOf } from "../graphql/connection.ts";

/** What somebody wrote about mail that they take for a forgery. Sealed. */
export interface SuspectedNoticeText {
  readonly reference: string | null;
  readonly description: string | null;
  readonly link: string | null;
}

/** Mail that somebody takes for a forgery of ours. */
@ObjectType({
  description: "Mail that somebody takes for a forgery of ours. Anybody may report: treat every word and link as hostile, and show links as text.",
})
export class SuspectedNotice implements SuspectedNoticeText {
  @Field(() => ID, { description: "The key of the report; it stands as `subjectId` in the ledger." })
  id!: string;

  @Field(() => Date, { description: "When it was reported." })
  reportedAt!: Date;

  reportedById!: string | null;

  @Field(() => String, { nullable: true, description: "The reference on the mail, as it was typed; null if none was given." })
  reference!: string | null;

  @Field(() => Boolean, { description: "Whether a notice of ours has that reference." })
  isReferenceOurs!: boolean;

  @Field(() => String, { nullable: true, description: "What the reporter says." })
  description!: string | null;

  @Field(() => String, { nullable: true, description: "Where the mail's link leads, as it was typed." })
  link!: string | null;
}

export const SuspectedNoticeConnection = connectionOf("SuspectedNotice", () => SuspectedNotice, "suspected notices");
