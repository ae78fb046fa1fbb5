import { Field, InputType } from "type-graphql";
import { Priority } from "./message.ts";

/** Which messages of a folder to list; everything given must hold. */
@InputType({ description: "Which messages of a folder to list; everything given must hold." })
export class MessageFilter {
  @Field(() => Boolean, { nullable: true, description: "Only unread ones, or only read ones." })
  unread?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: "Only flagged ones, or only others." })
  flagged?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: "Only those with files, or only those without." })
  hasAttachments?: boolean | null;

  @Field(() => [Priority], { nullable: true, description: "Only these priorities." })
  priority?: Priority[] | null;

  @Field(() => String, { nullable: true, description: "Only those sent from exactly this e-mail address." })
  from?: string | null;

  @Field(() => Date, { nullable: true, description: "Only those sent at or after this instant." })
  since?: Date | null;

  @Field(() => Date, { nullable: true, description: "Only those sent before this instant." })
  until?: Date | null;
}
