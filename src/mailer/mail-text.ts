import type { Language } from "./language.ts";

/** What one mail says, before it is laid out as text and HTML. Fixed words only: nothing that a user wrote, no subject, no health word. */
export interface MailText {
  readonly subject: string;
  readonly paragraphs: readonly string[];
  /** A code to be typed. */
  readonly code?: string;
  /** The one link, with the words on it. */
  readonly link?: { readonly label: string; readonly url: string };
  /** The short reference by which anybody can have the mail verified. */
  readonly reference?: string;
}

/** What every text may name. */
export interface Brand {
  readonly organisation: string;
  /** Where people type our address themselves, without a trailing slash. */
  readonly publicUrl: string;
}

/** The texts of one kind of mail. */
export type MailTexts<Data> = { readonly [language in Language]: (data: Data, brand: Brand) => MailText };
