import type { MailTexts } from "./mail-text.ts";
import { validationCode, type ValidationCodeData } from "./texts/validation-code.ts";

/** What each kind of mail is told beside its fixed text. It is sealed in the queue. */
export interface MailData {
  "validation-code": ValidationCodeData;
}

/** One of the mails that we send. */
export type MailKind = keyof MailData;

/** Every mail that we send, in every language. */
export const mailKinds: { readonly [kind in MailKind]: MailTexts<MailData[kind]> } = {
  "validation-code": validationCode,
};
