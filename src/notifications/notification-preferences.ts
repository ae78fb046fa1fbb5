import { Field, ObjectType, registerEnumType } from "type-graphql";
import { Loader } from "../context.ts";
import { statement } from "../db/database.ts";

/** How somebody is told that messages wait. */
export enum NoticeDelivery {
  IMMEDIATE = "IMMEDIATE",
  DAILY_DIGEST = "DAILY_DIGEST",
}

registerEnumType(NoticeDelivery, {
  name: "NoticeDelivery",
  description: "How somebody is told by ordinary mail that messages wait.",
  valuesConfig: {
    IMMEDIATE: { description: "At once, one mail for each message." },
    DAILY_DIGEST: { description: "One mail a day, at 06:00 UTC, that says how many wait; none on a day without any." },
  },
});

/** By which ordinary mail somebody wants to be told of messages. Such mail never says what a message is about or who sent it. */
@ObjectType({ description: "By which ordinary mail somebody wants to be told of messages. It never says what a message is about or who sent it." })
export class NotificationPreferences {
  @Field(() => NoticeDelivery, { description: "At once or once a day." })
  delivery!: NoticeDelivery;

  @Field(() => Boolean, { description: "Whether they are reminded of unread messages after 3 and 14 days." })
  reminders!: boolean;

  @Field(() => Boolean, { description: "Whether they are warned of unread messages 30, 7 and 1 days before those expire." })
  expiryWarnings!: boolean;
}

/** What holds for whoever chose nothing, and for whoever has no account yet. */
export const defaultPreferences: Readonly<NotificationPreferences> = { delivery: NoticeDelivery.IMMEDIATE, reminders: true, expiryWarnings: true };

/** The preferences of accounts, by their keys. */
export const preferencesOfAccount = new Loader<string, NotificationPreferences>(async (ctx, accountIds) => {
  const found = new Map((await ctx.db.run(preferences, [accountIds])).map(({ accountId, ...chosen }) => [accountId, chosen]));
  return accountIds.map((id) => Object.assign(new NotificationPreferences(), defaultPreferences, found.get(id)));
});

const preferences = statement<{ accountId: string } & NotificationPreferences>(
  "notification-preferences",
  `select account_id as "accountId", delivery, reminders, expiry_warnings as "expiryWarnings" from notification_preferences where account_id = any ($1::uuid[])`,
);
