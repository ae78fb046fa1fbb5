import { accountChanged, type AccountChangedData } from "./texts/account-changed.ts";
import { passwordReset } from "./texts/password-reset.ts";
import type { MailTexts } from "./mail-text.ts";
import { digest, type DigestData } from "./texts/digest.ts";
import { expiryNotice, type ExpiryNoticeData } from "./texts/expiry-notice.ts";
import { notice, type NoticeData } from "./texts/notice.ts";
import { reminder, type ReminderData } from "./texts/reminder.ts";
import { newDevice, type NewDeviceData } from "./texts/new-device.ts";
import { signInCode, type SignInCodeData } from "./texts/sign-in-code.ts";
import { factorChanged, type FactorChangedData } from "./texts/factor-changed.ts";
import { invitation, type InvitationData } from "./texts/invitation.ts";
import { validationCode, type ValidationCodeData } from "./texts/validation-code.ts";

/** What each kind of mail is told beside its fixed text. It is sealed in the queue. */
export interface MailData {
  digest: DigestData;
  "expiry-notice": ExpiryNoticeData;
  notice: NoticeData;
  reminder: ReminderData;
  "validation-code": ValidationCodeData;
  "new-device": NewDeviceData;
  "sign-in-code": SignInCodeData;
  "password-reset": ValidationCodeData;
  "account-changed": AccountChangedData;
  "factor-changed": FactorChangedData;
  invitation: InvitationData;
}

/** One of the mails that we send. */
export type MailKind = keyof MailData;

/** Every mail that we send, in every language. */
export const mailKinds: { readonly [kind in MailKind]: MailTexts<MailData[kind]> } = {
  digest,
  "expiry-notice": expiryNotice,
  notice,
  reminder,
  "validation-code": validationCode,
  "new-device": newDevice,
  "sign-in-code": signInCode,
  "password-reset": passwordReset,
  "account-changed": accountChanged,
  "factor-changed": factorChanged,
  invitation,
};
