import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import type { MailKind } from "../mailer/mail-kinds.ts";
import type { MailOutcome } from "../mailer/mail-outcome.ts";
import { changeDeliveries, type DeliveryKey } from "./deliveries.ts";

/** What the fate of a notice means for the deliveries that it tells of: their senders see it, and are told. */
export const noticeOutcome: MailOutcome = {
  async sent(ctx, mails) {
    const told = await toldBy(ctx, mails.filter(isNotice));
    const first = told.filter(({ kind }) => kind === "notice" || kind === "digest");
    const later = told.filter(({ kind }) => kind !== "notice" && kind !== "digest");
    await record(ctx, ...(await changeDeliveries(ctx, "notified", first)), ...(await changeDeliveries(ctx, "notified-after-all", later)));
  },
  async failed(ctx, mail, reason) {
    if (isNotice(mail)) await record(ctx, ...(await changeDeliveries(ctx, "failed", await toldBy(ctx, [mail]), reason)));
  },
};

const noticeKinds: ReadonlySet<MailKind> = new Set(["notice", "reminder", "expiry-notice", "digest"]);

function isNotice({ kind }: { readonly kind: MailKind }): boolean {
  return noticeKinds.has(kind);
}

/** The deliveries that these mails tell of. */
async function toldBy(ctx: Ctx, mails: readonly { readonly id: string }[]): Promise<(DeliveryKey & { readonly kind: string })[]> {
  if (mails.length === 0) return [];
  const notices = await ctx.db.run(lockNotices, [mails.map(({ id }) => id)]);
  return notices.length === 0 ? [] : ctx.db.run(deliveriesOfNotices, [notices.map(({ id }) => id)]);
}

// Locked against `notify-recipients.ts`, which may be adding messages to one that tells of several.
const lockNotices = statement<{ id: string }>("notices-of-mails", "select id from notices where mail_id = any ($1::uuid[]) order by id for update");

const deliveriesOfNotices = statement<DeliveryKey & { kind: string }>(
  "notices-deliveries",
  `select message_id as "messageId", mailbox_id as "mailboxId", kind from notices where id = any ($1::uuid[]) and message_id is not null
   union all
   select c.message_id, c.mailbox_id, n.kind from noticed_messages c join notices n on n.id = c.notice_id where c.notice_id = any ($1::uuid[])`,
);
