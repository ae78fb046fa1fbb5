import type { MailTexts } from "./mail-text.ts";
import { newDevice, type NewDeviceData } from "./texts/new-device.ts";
import { signInCode, type SignInCodeData } from "./texts/sign-in-code.ts";
import { validationCode, type ValidationCodeData } from "./texts/validation-code.ts";

/** What each kind of mail is told beside its fixed text. It is sealed in the queue. */
export interface MailData {
  "validation-code": ValidationCodeData;
  "new-device": NewDeviceData;
  "sign-in-code": SignInCodeData;
}

/** One of the mails that we send. */
export type MailKind = keyof MailData;

/** Every mail that we send, in every language. */
export const mailKinds: { readonly [kind in MailKind]: MailTexts<MailData[kind]> } = {
  "validation-code": validationCode,
  "new-device": newDevice,
  "sign-in-code": signInCode,
};
