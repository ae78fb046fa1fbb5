import { Arg, Args, ArgsType, Ctx as Context, Field, FieldResolver, InputType, Int, Mutation, ObjectType, Query, Resolver, Root } from "type-graphql";
import { Account, accountByKey } from "../accounts/account.ts";
import { asAdministrator, type Ctx, signedIn } from "../context.ts";
import type { Connection } from "../graphql/connection.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { Copy, Folder } from "../messages/copy.ts";
import { referenceOfNotice } from "./notice-queries.ts";
import { NoticeDelivery, NotificationPreferences, preferencesOfAccount } from "./notification-preferences.ts";
import { reportSuspectedNotice } from "./report-suspected-notice.ts";
import { SuspectedNotice, SuspectedNoticeConnection } from "./suspected-notice.ts";
import { suspectedNoticesPage } from "./suspected-notice-queries.ts";
import { updateNotificationPreferences } from "./update-notification-preferences.ts";
import { NoticeVerification, verifyNotice } from "./verify-notice.ts";

@InputType({ description: "What to change of how the viewer is told of messages; what is left out stays as it is." })
class UpdateNotificationPreferencesInput {
  @Field(() => NoticeDelivery, { nullable: true, description: "At once or once a day." })
  delivery?: NoticeDelivery | null;

  @Field(() => Boolean, { nullable: true, description: "Whether to be reminded of unread messages after 3 and 14 days." })
  reminders?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: "Whether to be warned of unread messages 30, 7 and 1 days before they expire." })
  expiryWarnings?: boolean | null;
}

@ObjectType({ description: "What the viewer chose is kept, and holds for what comes from now on." })
class UpdateNotificationPreferencesPayload {
  @Field(() => NotificationPreferences, { description: "What holds now." })
  notificationPreferences!: NotificationPreferences;
}

@InputType({ description: "What looks wrong about a mail; at least one of the three." })
class ReportSuspectedNoticeInput {
  @Field(() => String, { nullable: true, description: "The reference on the mail, as it is written there; at most 100 characters." })
  reference?: string | null;

  @Field(() => String, { nullable: true, description: "What is strange about it, at most 2,000 characters. Kept sealed, for administrators." })
  description?: string | null;

  @Field(() => String, { nullable: true, description: "Where its link leads, as text, at most 2,000 characters. Nobody follows it." })
  link?: string | null;
}

@ObjectType({ description: "Administrators will see the report. Says nothing about the mail: `verifyNotice` does." })
class ReportSuspectedNoticePayload {
  @Field(() => Date, { description: "When it was reported." })
  reportedAt!: Date;
}

@ArgsType()
class SuspectedNoticesArgs {
  @Field(() => Int, { nullable: true, description: "How many to return from the start, or from `after`: 1 to 100, 25 if not given." })
  first?: number | null;

  @Field(() => String, { nullable: true, description: "Return what follows the edge with this cursor." })
  after?: string | null;
}

const UpdateNotificationPreferencesResult = resultOf("UpdateNotificationPreferences", UpdateNotificationPreferencesPayload);
const ReportSuspectedNoticeResult = resultOf("ReportSuspectedNotice", ReportSuspectedNoticePayload);

@Resolver(() => SuspectedNotice)
export class NotificationResolver {
  @Query(() => NoticeVerification, {
    nullable: true,
    description:
      "Whether a notice with this reference is from us. Needs no sign-in; the answer has one shape and takes one time, whether it is ours or not. Too many questions are THROTTLED.",
  })
  async verifyNotice(
    @Context() ctx: Ctx,
    @Arg("reference", () => String, {
      description: "As it stands on the notice. Upper and lower case, spaces and dashes do not matter, and O is read as 0, I and L as 1.",
    })
    reference: string,
  ): Promise<NoticeVerification> {
    return verifyNotice(ctx, reference);
  }

  @Query(() => SuspectedNoticeConnection, {
    nullable: true,
    description: "Mail that people took for a forgery of ours, newest first; for administrators, FORBIDDEN for everybody else. Looking at it is recorded.",
  })
  async suspectedNotices(@Context() ctx: Ctx, @Args(() => SuspectedNoticesArgs) args: SuspectedNoticesArgs): Promise<Connection<SuspectedNotice>> {
    return suspectedNoticesPage(asAdministrator(ctx), args);
  }

  @Mutation(() => UpdateNotificationPreferencesResult, { description: "Changes by which ordinary mail the viewer is told of messages." })
  async updateNotificationPreferences(
    @Context() ctx: Ctx,
    @Arg("input", () => UpdateNotificationPreferencesInput, { description: "What to change." }) input: UpdateNotificationPreferencesInput,
  ) {
    return orProblem(ctx, async () =>
      Object.assign(new UpdateNotificationPreferencesPayload(), { notificationPreferences: await updateNotificationPreferences(signedIn(ctx), input) }),
    );
  }

  @Mutation(() => ReportSuspectedNoticeResult, {
    description: "Reports mail that looks like a notice of ours and may not be. Needs no sign-in. Too many reports from one place are THROTTLED.",
  })
  async reportSuspectedNotice(
    @Context() ctx: Ctx,
    @Arg("input", () => ReportSuspectedNoticeInput, { description: "What is known of the mail." }) input: ReportSuspectedNoticeInput,
  ) {
    const { reference = null, description = null, link = null } = input;
    return orProblem(ctx, async () =>
      Object.assign(new ReportSuspectedNoticePayload(), { reportedAt: await reportSuspectedNotice(ctx, { reference, description, link }) }),
    );
  }

  @FieldResolver(() => Account, { nullable: true, description: "Who reported it; null if nobody was signed in." })
  async reportedBy(@Context() ctx: Ctx, @Root() { reportedById }: SuspectedNotice): Promise<Account | null> {
    return (reportedById === null ? null : await accountByKey.load(asAdministrator(ctx), reportedById)) ?? null;
  }
}

/** What notices add to a message. */
@Resolver(() => Copy)
export class NoticedMessageResolver {
  @FieldResolver(() => String, {
    nullable: true,
    description:
      "The reference of the latest notice that told this mailbox of it, so that notice and message can be compared; null where none was sent, as on what was sent from here.",
  })
  async reference(@Context() ctx: Ctx, @Root() { messageId, mailboxId, folder }: Copy): Promise<string | null> {
    return folder === Folder.SENT ? null : referenceOfNotice.load(ctx, { messageId, mailboxId });
  }
}

/** What notifications add to an account. */
@Resolver(() => Account)
export class NotifiedAccountResolver {
  @FieldResolver(() => NotificationPreferences, {
    nullable: true,
    description: "By which ordinary mail they are told of messages. Null to everybody but themselves.",
  })
  async notificationPreferences(@Context() ctx: Ctx, @Root() { uuid }: Account): Promise<NotificationPreferences | null> {
    return uuid === signedIn(ctx).viewer.accountId ? preferencesOfAccount.load(ctx, uuid) : null;
  }
}
