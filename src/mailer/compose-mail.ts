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

/**
 * Makes the mail that goes over the wire: to one recipient, from an address that is asked for no answer, with the Message-ID that
 * it has at every attempt. Addresses are objects, which nodemailer never takes apart.
 */
export function composeMail(
  ctx: Pick<Ctx, "config" | "keyedHash" | "clock">,
  mail: QueuedMail,
  logo: Logo | null,
): SendMailOptions & { readonly subject: string } {
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
