import { Field, ObjectType } from "type-graphql";
import { countAttempts } from "../accounts/throttle.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { readReference } from "./reference.ts";

/** Whether a notice is ours. */
@ObjectType({ description: "Whether a notice is ours. Says nothing about whom it was for or what it told of." })
export class NoticeVerification {
  @Field(() => Boolean, { description: "True if we sent a notice with this reference within the last 180 days." })
  sentByUs!: boolean;

  @Field(() => Date, { nullable: true, description: "When we sent it; null if it is not ours." })
  sentOn!: Date | null;
}

/** No notice has it, and asking for it takes as long as for any other. */
const NOBODYS_REFERENCE = "00000-00000U";

/** Says whether a notice with this reference is ours: the same work and the same shape of answer, whatever was asked for. */
export async function verifyNotice(ctx: Ctx, text: string): Promise<NoticeVerification> {
  await countAttempts(ctx, { rule: "verify-notice/source", key: ctx.source });
  const { at } = await ctx.db.one(noticeByReference, [readReference(text) ?? NOBODYS_REFERENCE]);
  return Object.assign(new NoticeVerification(), { sentByUs: at !== null, sentOn: at });
}

// One row, found or not. What was begun to be sent may have arrived although we do not know it yet; what waits cannot have.
const noticeByReference = statement<{ at: Date | null }>(
  "notice-by-reference",
  `select (select case when m.attempts > 0 then coalesce(m.sent_at, n.created_at) end
           from notices n join mails m on m.id = n.mail_id where n.reference = $1) as at`,
);
