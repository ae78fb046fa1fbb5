import type { SendMailOptions } from "nodemailer";
import type { Ctx } from "../context.ts";
import { bounceAddressOf } from "./bounce-address.ts";
import { brandOf } from "./brand.ts";
import type { Language } from "./language.ts";
import { layOut, LOGO_ID } from "./layout.ts";
import type { Logo } from "./mail-files.ts";
import { type MailData, type MailKind, mailKinds } from "./mail-kinds.ts";
import type { Brand, MailText } from "./mail-text.ts";

/** A mail as it stands in the queue, opened. */
export interface QueuedMail {
  readonly id: string;
  readonly kind: MailKind;
  readonly address: string;
  readonly language: Language;
  readonly data: MailData[MailKind];
  readonly phrase: string | null;
}

/** One address and no more, without quotes, comments or names. */
const PLAIN_ADDRESS = /^[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,253}$/;

/** The address can stand in no envelope. Has the form of a `SendingFault`. */
export class BadAddress extends Error {
  readonly code = "EENVELOPE";
  readonly command = "API";
}

/**
 * Makes the mail that goes over the wire: to one recipient, from an address that is asked for no answer, with the Message-ID that
 * it has at every attempt. Throws `BadAddress`: nodemailer would take a list of addresses apart, in an envelope even an object's.
 */
export function composeMail(
  ctx: Pick<Ctx, "config" | "keyedHash" | "clock">,
  mail: QueuedMail,
  logo: Logo | null,
): SendMailOptions & { readonly subject: string } {
  if (!PLAIN_ADDRESS.test(mail.address)) throw new BadAddress("A mail cannot be sent to what is no plain address");
  const brand = brandOf(ctx.config);
  const text = textOf(mail.kind, mail.language, mail.data, brand);
  const address = { name: "", address: mail.address };
  return {
    messageId: `<${mail.id}@${new URL(brand.publicUrl).hostname}>`,
    date: ctx.clock.now(),
    from: { name: brand.organisation, address: ctx.config.mail.from },
    to: [address],
    envelope: { from: bounceAddressOf(ctx, mail.id), to: [mail.address] },
    subject: text.subject,
    headers: {
      "Auto-Submitted": "auto-generated", // RFC 3834: no machine answers it
      "X-Auto-Response-Suppress": "All", // the same in Exchange's words
      "Content-Language": mail.language.toLowerCase(),
    },
    ...layOut(text, { language: mail.language, brand, phrase: mail.phrase, hasLogo: logo !== null }),
    attachments: logo === null ? [] : [{ cid: LOGO_ID, filename: false, contentType: logo.mediaType, contentDisposition: "inline", content: logo.bytes }],
  };
}

function textOf<Kind extends MailKind>(kind: Kind, language: Language, data: MailData[Kind], brand: Brand): MailText {
  return mailKinds[kind][language](data, brand);
}
