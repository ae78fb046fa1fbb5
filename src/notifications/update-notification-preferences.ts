import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { type NoticeDelivery, NotificationPreferences, preferencesOfAccount } from "./notification-preferences.ts";

/** What to change; null leaves it as it is. */
export interface NewPreferences {
  readonly delivery?: NoticeDelivery | null;
  readonly reminders?: boolean | null;
  readonly expiryWarnings?: boolean | null;
}

/** Changes how the viewer is told of messages from now on. What was put off for a digest stays put off until then. */
export async function updateNotificationPreferences(ctx: ViewerCtx, input: NewPreferences): Promise<NotificationPreferences> {
  const { accountId } = ctx.viewer;
  return inTransaction(ctx, async (ctx) => {
    const now = await preferencesOfAccount.load(ctx, accountId);
    const next: NotificationPreferences = {
      delivery: input.delivery ?? now.delivery,
      reminders: input.reminders ?? now.reminders,
      expiryWarnings: input.expiryWarnings ?? now.expiryWarnings,
    };
    await ctx.db.run(setPreferences, [accountId, next.delivery, next.reminders, next.expiryWarnings]);
    await record(ctx, { action: "notice.preferences-updated", subjectId: accountId, code: next.delivery });
    return Object.assign(new NotificationPreferences(), next);
  });
}

const setPreferences = statement(
  "notification-preferences-set",
  `insert into notification_preferences (account_id, delivery, reminders, expiry_warnings) values ($1, $2, $3, $4)
   on conflict (account_id) do update set delivery = excluded.delivery, reminders = excluded.reminders, expiry_warnings = excluded.expiry_warnings`,
);
