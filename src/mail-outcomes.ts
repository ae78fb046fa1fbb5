import type { MailOutcome } from "./mailer/mail-outcome.ts";
import { noticeOutcome } from "./notifications/mail-outcome.ts";

/** What follows from the fate of a mail, all on one page; in this order, in the transaction that marks the mail. */
export const mailOutcomes: readonly MailOutcome[] = [noticeOutcome];
