import { Ctx as Context, Field, Float, Int, ObjectType, Query, Resolver } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { RETENTION_DAYS } from "../limits.ts";

@ObjectType("Limits", { description: "What a client may ask for at most, to be said before somebody runs into it." })
class LimitsType {
  @Field(() => Int, { description: "Largest file, in bytes." })
  maxAttachmentBytes!: number;

  @Field(() => Int, { description: "Files on one message." })
  maxAttachments!: number;

  @Field(() => Int, { description: "All files of one message together, in bytes." })
  maxTotalAttachmentBytes!: number;

  @Field(() => Int, { description: "Text and HTML of one message together, in bytes of UTF-8." })
  maxMessageBytes!: number;

  @Field(() => Int, { description: "Recipients of one message, TO and CC together." })
  maxRecipients!: number;

  @Field(() => Int, { description: "Characters of a subject." })
  maxSubjectLength!: number;

  @Field(() => Int, { description: "Entries of one page of any connection." })
  maxPageSize!: number;

  @Field(() => Int, { description: "Ids in one bulk mutation, and in `nodes`." })
  maxIds!: number;

  @Field(() => Int, { description: "Messages of one export." })
  maxExportMessages!: number;

  @Field(() => Float, { description: "All messages of one export together, in bytes." })
  maxExportBytes!: number;

  @Field(() => Int, { description: "Exports of one account that are being made or can still be downloaded." })
  maxExports!: number;

  @Field(() => Int, { description: "Minutes an export can be downloaded once it is ready." })
  exportMinutes!: number;

  @Field(() => Int, { description: "Days a message is readable, counted from its sending." })
  retentionDays!: number;
}

@Resolver()
export class LimitsResolver {
  @Query(() => LimitsType, { description: "What a client may ask for at most." })
  limits(@Context() ctx: Ctx): LimitsType {
    return Object.assign(new LimitsType(), signedIn(ctx).config.limits, { retentionDays: RETENTION_DAYS });
  }
}
